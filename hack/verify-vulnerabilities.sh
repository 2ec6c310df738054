#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fails when code of the main module reaches a known vulnerability, in a dependency or in
# the standard library. hack/vulnerabilities/go.mod pins govulncheck and its database, so
# the answer changes only with a commit.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
GOTOOLCHAIN="$(hack/toolchain.sh)"
export GOTOOLCHAIN

govulncheck="$(hack/binaries.sh govulncheck)"

# The module cache is the cache: go.sum vouches for what lies there.
module=golang.org/x/vulndb
go -C hack/vulnerabilities mod download "${module}"
read -r folder version < <(go -C hack/vulnerabilities list -m -f '{{.Dir}} {{.Version}}' "${module}")

# govulncheck reads a folder of reports without an index, too (newHybridSource in its
# internal/client), and fails where it cannot. In an empty one it would find nothing.
database="${folder}/data/osv"
reports=("${database}"/GO-*.json)
if [[ ! -e ${reports[0]} ]]; then
  echo "hack/verify-vulnerabilities.sh: no reports in ${database}: ${module} has moved them" >&2
  exit 1
fi

echo "govulncheck: ${#reports[@]} reports of ${module} ${version}"
"${govulncheck}" -db "file://${database}" ./...
