#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fails when a Go file, or a script under hack/ or .ci/, lacks the licence header. In
# generated files it follows the build constraint, so they are left to their generator.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
bad=()

while read -r file; do
  if ! head -n 2 "${file}" | cmp -s - hack/boilerplate.go.txt || [[ -n $(sed -n 3p "${file}") ]]; then
    bad+=("${file}")
  fi
done < <(git ls-files --cached --others --exclude-standard -- '*.go' ':!:*/zz_generated.*.go')

while read -r file; do
  if ! sed -n 2,3p "${file}" | cmp -s - <(sed 's|^//|#|' hack/boilerplate.go.txt); then
    bad+=("${file}")
  fi
done < <(git ls-files --cached --others --exclude-standard -- 'hack/*.sh' .ci/run)

if ((${#bad[@]} > 0)); then
  echo "These files do not start with the licence header (see hack/boilerplate.go.txt, then an empty line):" >&2
  printf '  %s\n' "${bad[@]}" >&2
  exit 1
fi
