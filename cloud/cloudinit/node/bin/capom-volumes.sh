#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Formats each data volume if it is blank and mounts it by UUID. A volume that does not appear is
# announced and left: it must not stop the boot, and its fstab line would have nofail anyway.
set -eu
# shellcheck source=../lib/lib.sh
. "${CAPOM_ROOT:-}/usr/local/lib/capom/lib.sh"

wait_for() {
	left=${CAPOM_VOLUME_WAIT:-300}
	while [ ! -e "$1" ]; do
		[ "$left" -gt 0 ] || return 1
		sleep 1
		left=$((left - 1))
	done
}

# blkid answers 2 for a device on which it finds nothing at all: only then is it formatted. Anything
# else, a partition table too, and what blkid cannot tell, is somebody's data.
format_if_blank() {
	rc=0
	blkid -p "$1" >/dev/null 2>&1 || rc=$?
	if [ "$rc" = 2 ]; then
		log "formatting $1 as $2"
		"mkfs.$2" -q "$1" </dev/null
	fi
}

mount_volume() {
	uuid=$(blkid -p -s UUID -o value "$1" || true)
	type=$(blkid -p -s TYPE -o value "$1" || true)
	if [ -z "$uuid" ] || [ -z "$type" ]; then
		fail "$1 holds no file system, and is not blank: not touched"
	fi
	mkdir -p "$ROOT$2"
	if ! grep -q "^UUID=$uuid " "$ROOT/etc/fstab" 2>/dev/null; then
		# Oracle's options: without nofail and _netdev an instance may not boot when the volume is
		# missing. systemd orders a nofail mount before nothing (systemd.mount(5)), so that etcd
		# could start on the empty directory below it.
		printf 'UUID=%s %s %s defaults,_netdev,nofail,x-systemd.before=containerd.service,x-systemd.before=kubelet.service 0 2\n' \
			"$uuid" "$2" "$type" >>"$ROOT/etc/fstab"
	fi
	if ! mountpoint -q "$ROOT$2"; then
		: >"$RUN/mounting"
		mount "$2"
	fi
	# Every new ext4 has it, and kubeadm refuses a directory for etcd that is not empty (kubeadm
	# preflight, DirAvailableCheck). e2fsck makes it again when it has something to put there.
	# Beside anything else, and with anything in it, it stays.
	if [ "$(ls -A "$ROOT$2")" = lost+found ]; then
		rmdir "$ROOT$2/lost+found" || true
	fi
	if have restorecon; then
		restorecon "$ROOT$2" || true
	fi
}

while read -r device filesystem target; do
	if wait_for "$ROOT$device"; then
		format_if_blank "$ROOT$device" "$filesystem"
		mount_volume "$ROOT$device" "$target"
	else
		announce "data volume $device did not appear: $target is not mounted"
	fi
done <"$ETC/volumes"
refresh_containerd
