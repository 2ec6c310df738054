#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fails when a comment line or a line of Markdown is wider than 100 columns; a tab counts 4.
# Markers and directives, tables, code blocks and single words such as URLs cannot be wrapped.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Generated files take their text from files that are checked.
mapfile -t comments < <(git ls-files -- '*.go' '*.sh' '*.awk' .ci/run Makefile Dockerfile \
  templates/src config '*.mod' ':!:*zz_generated*' ':!:config/crd/bases' ':!:config/rbac/role.yaml')
mapfile -t prose < <(git ls-files -- '*.md' ':!:docs/reference')

awk '
  FNR == 1 { code = 0 }
  { line = $0; gsub(/\t/, "    ", line) }
  FILENAME ~ /\.md$/ {
    if (line ~ /^ *```/) { code = !code; next }
    if (code || line ~ /^ *\|/ || line ~ /^    / || line ~ /^\[[^]]*\]: /) next
  }
  FILENAME ~ /\.(go|mod)$/ && line !~ /^ *\/\// { next }
  FILENAME !~ /\.(md|go|mod)$/ && line !~ /^ *#/ { next }
  length(line) <= 100 || line ~ /^ *\/\/( \+|go:|nolint)/ { next }
  # What is left of the line without its first word and its mark is empty for a URL.
  { rest = line; sub(/^ *(\/\/|#|[-*])? *[^ ]+/, "", rest) }
  rest == "" { next }
  { printf "%s:%d: %d columns\n", FILENAME, FNR, length(line); wide++ }
  END { if (wide) { print "Wrap these lines at 100 columns."; exit 1 } }' \
  "${comments[@]}" "${prose[@]}"
