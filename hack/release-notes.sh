#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Prints a version's section of CHANGELOG.md as the notes of its release, and fails when the
# version cannot be released:
#
#   hack/release-notes.sh VERSION
#
# VERSION is a semantic version with a "v"; clusterctl ignores tags of another form. Its
# major and minor number must be a release series of metadata.yaml; clusterctl refuses the
# release otherwise.

set -euo pipefail

version="$1"

cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "hack/release-notes.sh: $1" >&2
  exit 1
}

number='(0|[1-9][0-9]*)'
[[ ${version} =~ ^v${number}\.${number}\.${number}(-[0-9A-Za-z.-]+)?$ ]] ||
  fail "\"${version}\" is not a version such as v1.2.3 or v1.2.3-rc.1"
major="${BASH_REMATCH[1]}" minor="${BASH_REMATCH[2]}"

awk -v major="${major}" -v minor="${minor}" '
  $1 == "-" && $2 == "major:" { series = $3 }
  $1 == "minor:" && series == major && $2 == minor { found = 1 }
  END { exit !found }' metadata.yaml ||
  fail "metadata.yaml has no release series with major: ${major} and minor: ${minor}"

# The API is a module of its own, of the same version.
for module in . test; do
  awk -v version="${version}" '
    { sub(/^require /, "") }
    $1 == "github.com/ocimesh/cluster-api-provider-ocimesh/api" && $2 == version { found = 1 }
    END { exit !found }' "${module}/go.mod" ||
    fail "${module}/go.mod does not require ${version} of the module api"
done

# A section ends with the next one, or with the links at the end of the file.
notes="$(awk -v heading="## [${version#v}]" '
  /^## / || /^\[.*\]: / { inside = index($0, heading) == 1; next }
  inside' CHANGELOG.md)"
[[ -n ${notes//[[:space:]]/} ]] || fail "CHANGELOG.md has no section \"## [${version#v}]\", or nothing in it"
echo "${notes}"
