#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fails, with the difference, when "make generate" would change a generated file.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

before="$(mktemp -d)"
trap 'rm -rf "${before}"' EXIT

# generated lists the files that make generate writes.
generated() {
  git ls-files --cached --others --exclude-standard -- \
    '*/zz_generated.*.go' config/crd/bases config/rbac/role.yaml config/webhook/manifests.yaml \
    'templates/*.yaml' ':!:templates/*/**' docs/reference/api.md docs/reference/exp-api.md
}

generated | xargs --no-run-if-empty cp --parents -t "${before}"
make --no-print-directory generate

changed=0
while read -r file; do
  diff -uN "${before}/${file}" "${file}" || changed=1
done < <(generated)

if ((changed)); then
  echo "Generated files are not up to date: run \"make generate\" and commit the result." >&2
  exit 1
fi
