#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Makes sure that the commands the tests run are there, and the library libseccomp:
#
#   hack/ensure-packages.sh COMMAND...
#
# Missing ones are installed with apt-get when this runs as root on Debian or Ubuntu;
# otherwise it fails and says what to install.

set -euo pipefail

# packages prints the Debian packages that bring a command. The race detector needs a
# C compiler with its headers.
packages() {
  case "$1" in
    gcc) echo gcc libc6-dev ;;
    nft) echo nftables ;;
    unshare | nsenter | setpriv) echo util-linux ;;
    losetup) echo mount ;;
    mkfs.ext4) echo e2fsprogs ;;
    mkfs.xfs) echo xfsprogs ;;
    sfdisk) echo fdisk ;;
    sysctl) echo procps ;;
    apt-ftparchive) echo apt-utils ;;
    ip) echo iproute2 ;;
    debootstrap) echo debootstrap debian-archive-keyring ;;
    systemd-nspawn) echo systemd-container ;;
    dpkg-deb) echo dpkg ;;
    # runc is linked with it; pkg-config is how cgo finds it.
    libseccomp) echo libseccomp-dev pkg-config ;;
    *) echo "$1" ;;
  esac
}

present() {
  case "$1" in
    libseccomp) pkg-config --exists libseccomp 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

missing=()
for command in "$@"; do
  if ! present "${command}"; then
    read -ra wanted < <(packages "${command}")
    missing+=("${wanted[@]}")
  fi
done

if ((${#missing[@]} == 0)); then
  exit 0
fi

if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
  echo "These programs are missing: ${missing[*]}. Install them (Debian, Ubuntu: sudo apt-get install ${missing[*]}) and try again." >&2
  exit 1
fi

echo "installing ${missing[*]} ..." >&2
if [[ " ${missing[*]} " == *" cloud-init "* ]]; then
  # Tests only call its schema check. Without this file the next boot would let
  # cloud-init configure this machine.
  mkdir -p /etc/cloud
  touch /etc/cloud/cloud-init.disabled
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
