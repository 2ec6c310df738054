#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs every fuzz target of the module for a while, one after the other, because "go
# test -fuzz" takes one target of one package:
#
#   hack/fuzz.sh [TIME]        TIME as in -fuzztime, 20s by default

set -euo pipefail

fuzztime="${1:-20s}"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
GOTOOLCHAIN="$(hack/toolchain.sh)"
export GOTOOLCHAIN

mapfile -t targets < <(git grep -oE --untracked '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sort)
if ((${#targets[@]} == 0)); then
  echo "hack/fuzz.sh: no fuzz targets found" >&2
  exit 1
fi

for target in "${targets[@]}"; do
  folder="./$(dirname "${target%%:*}")"
  function="${target##* }"
  echo "fuzzing ${function} in ${folder} for ${fuzztime}"
  go test -run '^$' -fuzz "^${function}\$" -fuzztime "${fuzztime}" "${folder}"
done
