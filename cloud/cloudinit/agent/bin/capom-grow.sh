#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Has the node's file systems fill their volumes, which may have grown, and prints those that do as
# PATH=GB, then "failed" with the reasons why others do not. $1 has the sizes that are asked for in
# the same words: the kernel is made to look again at a volume that has another one. Nothing else
# is taken from it. A volume that somebody has laid out in another way than we do is left alone:
# PATH=GB:left.
set -euf
# shellcheck source=../../node/lib/lib.sh
. "${CAPOM_ROOT:-}/usr/local/lib/capom/lib.sh"
# shellcheck disable=SC1091
. "$ROOT/etc/os-release"

asked=" ${1:-} "
full=
why=
: >>"$RUN/full"

# OCI's GB have 2^30 bytes. A volume that is not there has none.
size() {
	echo "$path=$(($(blockdev --getsize64 "$disk" 2>/dev/null || echo 0) / 1073741824))"
}

# OCI documentation, "Rescanning the Disk for a Block Volume or Boot Volume".
rescan() {
	dd iflag=direct if="$disk" of=/dev/null count=1 && echo 1 >"$ROOT/sys/class/block/${disk##*/}/device/rescan"
}

# fill PATH DISK COMMAND...: what was done since the boot is not done again. The last line of errors
# is the reason for a failure.
fill() {
	path=$1 disk=$2
	shift 2
	mount=$ROOT$path
	source=$(findmnt -n -o SOURCE "$mount" || true)
	case $asked in
	*" $(size) "*) ;;
	*" $path="*) rescan >/dev/null 2>&1 || true ;;
	esac
	entry=$(size)
	if grep -qxF "$entry" "$RUN/full"; then
		full="$full$entry "
	elif ("$@") >/dev/null 2>"$RUN/grow.log" </dev/null; then
		echo "$entry" >>"$RUN/full"
		full="$full$entry "
	else
		why="$why$path: $(tail -n 1 "$RUN/grow.log") "
		case $why in *"hand ") full="$full$entry:left " ;; esac
	fi
}

fill_file_system() {
	type=$(findmnt -n -o FSTYPE "$mount")
	case $type in
	ext4) resize2fs "$source" ;;
	xfs) xfs_growfs "$mount" ;;
	*) fail "it is on $type, grow it by hand" ;;
	esac
}

fill_data() {
	case $source in
	"$disk") fill_file_system ;;
	"$disk"*) fail "it is on $source, grow it by hand" ;;
	*) fail "it is mounted from ${source:-nothing} and not from $disk" ;;
	esac
}

# Roots are on a partition or on LVM. growpart answers 1 if there is nothing to grow.
fill_root() {
	# shellcheck disable=SC2046
	set -- $(lsblk -snro NAME,TYPE "$source")
	case $ID:${2:-}:${4:-} in
	[!ud]*:lvm:part) grow_root ;;
	*:part:disk)
		growpart "/dev/$3" "${1##*[!0-9]}" || [ "$?" -eq 1 ] || fail "growpart cannot grow $1"
		fill_file_system
		;;
	*) fail "it is on ${2:-nothing known}${2:+, grow it by hand}" ;;
	esac
}

root=$(lsblk -snro NAME,TYPE "$(findmnt -n -o SOURCE "${ROOT:-/}")" | sed -n 's/ disk$//p' | tail -n 1)
fill / "/dev/$root" fill_root
while read -r device _ target; do
	fill "$target" "$(readlink -f "$ROOT$device" || true)" fill_data
done <"$ETC/volumes"
# shellcheck disable=SC2086
echo $full ${why:+failed $why}
