#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fails when a module, the image's builder or the go command at work has another Go
# toolchain than the root's go.mod.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
toolchain="$(hack/toolchain.sh)"
bad=()

while read -r file; do
  grep -qxF "toolchain ${toolchain}" "${file}" || bad+=("${file}: wants the line \"toolchain ${toolchain}\"")
done < <(git ls-files --cached --others --exclude-standard -- go.mod '*/go.mod')

image="golang:${toolchain#go}-bookworm"
grep -qE "^FROM .*\b${image//./\\.} AS builder\$" Dockerfile || bad+=("Dockerfile: wants the builder ${image}")

version="$(go env GOVERSION)"
[[ ${version} == "${toolchain}" ]] || bad+=("the go command is ${version}: wants GOTOOLCHAIN=${toolchain}")

if ((${#bad[@]} > 0)); then
  echo "go.mod sets the toolchain ${toolchain}, but:" >&2
  printf '  %s\n' "${bad[@]}" >&2
  exit 1
fi
