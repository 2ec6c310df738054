#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Prints the Go toolchain that builds and tests everything, for GOTOOLCHAIN: go.mod's line
# "toolchain" is where it is set. The go command downloads it when it is another one. Set as
# GOTOOLCHAIN it also holds where a distribution, an image or "go env -w" says "local".

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
awk '$1 == "toolchain" { print $2; found = 1 } END { exit !found }' go.mod ||
  { echo "hack/toolchain.sh: go.mod has no line \"toolchain\"" >&2; exit 1; }
