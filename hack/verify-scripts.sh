#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs shellcheck over every shell script of the repository, the ones that end up on
# nodes included.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts=()
while read -r file; do
  # A script is what is called .sh or says in its first line that a shell runs it.
  if [[ ${file} == *.sh ]] || head -n 1 "${file}" | grep -qaE '^#!.*\b(ba|da)?sh\b'; then
    scripts+=("${file}")
  fi
done < <(git ls-files --cached --others --exclude-standard)

echo "shellcheck: ${#scripts[@]} scripts"
shellcheck --external-sources --source-path=SCRIPTDIR "${scripts[@]}"
