#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Signs every apt repository below a folder with a key that nobody keeps, and writes
# its public half to the files that are named:
#
#   sign.sh FOLDER KEYFILE...
#
# A key file that ends in .noarmor.gpg is binary, any other is armoured.

set -euo pipefail

folder="$1"
shift
# The agent's socket has a short path at most. /run is private to this mount namespace.
mount -t tmpfs -o mode=0700 tmpfs /run
export GNUPGHOME=/run/gnupg
mkdir -m 0700 "${GNUPGHOME}"

gpg --batch --quiet --passphrase '' --quick-generate-key 'CAPOM lab packages' rsa2048 sign never
while read -r release; do
  gpg --batch --quiet --digest-algo SHA512 --clearsign --output "${release%/*}/InRelease" "${release}"
done < <(find "${folder}" -name Release)

for file in "$@"; do
  mkdir -p "${file%/*}"
  case "${file}" in
    *.noarmor.gpg) gpg --batch --export >"${file}" ;;
    *) gpg --batch --armor --export >"${file}" ;;
  esac
done
