# shellcheck shell=sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by every script of the node. CAPOM_ROOT is set by tests only.
ROOT=${CAPOM_ROOT:-}
ETC=$ROOT/etc/capom
RUN=$ROOT/run/capom
# shellcheck disable=SC2034
SBIN=$ROOT/usr/local/sbin
umask 022
mkdir -p "$RUN"
chmod 0700 "$RUN"
# shellcheck disable=SC1091
. "$ETC/node.env"

log() {
	printf 'capom: %s\n' "$*"
}

# Writes to the cloud-init log, and to the console: its history can be read without a login.
announce() {
	log "$*"
	if [ -z "$ROOT" ] && [ -w /dev/console ]; then
		printf 'capom: %s\n' "$*" >/dev/console || true
	fi
}

# The last line a step prints is the reason that until_done announces.
fail() {
	printf '%s\n' "$*" >&2
	exit 1
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# put_on_disk FILE: has FILE.new take its place. A machine may be reset, or its disk full, at any
# time: what it is to know afterwards is on the disk before it counts.
put_on_disk() {
	sync "$1.new"
	mv "$1.new" "$1"
}

has_vip() {
	[ "$CAPOM_ROLE" = control-plane ] && [ -n "$CAPOM_VIP" ]
}

# until_done WHAT COMMAND...: runs COMMAND until it succeeds, waiting longer each time. kubeadm runs
# after the last step only, so a failing step keeps it from running, and the machine recovers by
# itself when the cause goes away.
until_done() {
	what=$1
	shift
	step=$RUN/step.$$
	delay=${CAPOM_BACKOFF_MIN:-5}
	attempt=1
	while :; do
		{
			rc=0
			"$@" 2>&1 || rc=$?
			echo "$rc" >"$step.rc"
		} | tee "$step.log"
		if [ "$(cat "$step.rc")" = 0 ]; then
			rm -f "$step.rc" "$step.log"
			log "$what: done"
			return 0
		fi
		announce "$what failed (attempt $attempt): $(tail -n 1 "$step.log"). kubeadm does not run before this succeeds; next try in ${delay}s"
		sleep "$delay"
		attempt=$((attempt + 1))
		delay=$((delay * 2))
		if [ "$delay" -gt "${CAPOM_BACKOFF_MAX:-60}" ]; then
			delay=${CAPOM_BACKOFF_MAX:-60}
		fi
	done
}

# Asks an API server as kubelet: NodeRestriction lets a node change its own Node only. What is not
# of the cluster's authority is none, whatever listens there. The last --max-time is the one that
# counts.
CERT=$ROOT/var/lib/kubelet/pki/kubelet-client-current.pem
api() {
	curl -sf --noproxy '*' --max-time 20 --cacert "$ROOT/etc/kubernetes/pki/ca.crt" --cert "$CERT" --key "$CERT" "$@"
}

# The tailnet's IPv4 address of this machine; fails while there is none.
tailnet_address() {
	tailscale ip -4 2>/dev/null | head -n 1 | grep -E '^[0-9.]+$'
}

# The machine's name on the tailnet. User data that many instances share holds only how it begins.
tailnet_hostname() {
	if [ "${CAPOM_HOSTNAME_SUFFIX:-}" != instance ]; then
		printf '%s\n' "$CAPOM_HOSTNAME"
		return 0
	fi
	id=$(instance_id) || return 1
	printf '%s-%s\n' "$CAPOM_HOSTNAME" "$(printf '%s' "$id" | tail -c 12)"
}

# metadata NAME: what the metadata service says of the instance. As everywhere but for packages, a
# proxy in systemd's environment is not asked: it would know neither the service nor the tailnet.
metadata() {
	curl -fsS --noproxy '*' --max-time 5 -H 'Authorization: Bearer Oracle' "http://169.254.169.254/opc/v2/instance/$1" 2>/dev/null
}

# The instance's OCID. cloud-init's copy needs no network; the metadata service is asked where the
# data source is another one than Oracle's.
instance_id() {
	id=$(cat "$ROOT/var/lib/cloud/data/instance-id" 2>/dev/null || true)
	case $id in
	ocid1.*) ;;
	*)
		from_service=$(metadata id || true)
		id=${from_service:-$id}
		;;
	esac
	[ -n "$id" ] && printf '%s\n' "$id"
}

# containerd goes on below a volume that was mounted over its files. It is restarted once for all
# of them: systemd gives up on what starts too often. Before it is installed there is none.
refresh_containerd() {
	! rm "$RUN/mounting" 2>/dev/null || systemctl try-restart containerd.service 2>/dev/null || true
}

# Oracle Linux has its root on LVM, which cloud-init does not grow (cc_growpart, cc_resizefs): a
# larger boot volume would have no effect. The root takes what was added to the volume, as
# oci-growfs does. Space that the image's builder left free in the group stays so, unless the
# partition grew. A mark stays until all has grown: if LVM fails, a later run has no partition to
# grow. Ubuntu and Debian are left as they are.
grow_root() {
	# shellcheck disable=SC1091
	. "$ROOT/etc/os-release"
	volume=$(findmnt -n -o SOURCE "${ROOT:-/}")
	# For example: ocivolume-root lvm sda3 part sda disk
	# shellcheck disable=SC2046
	set -- $(lsblk -snro NAME,TYPE "$volume")
	case $ID:${2:-}:${4:-} in
	[!ud]*:lvm:part) ;;
	*) return 0 ;;
	esac
	if growpart "/dev/$5" "${3##*[!0-9]}"; then
		: >"$ETC/growing"
	else
		# 1 says that there is nothing to grow.
		grown=$?
		[ "$grown" -eq 1 ] || return "$grown"
	fi
	[ -e "$ETC/growing" ] || return 0
	pvresize "/dev/$3" && lvextend -r -l +100%FREE "$volume" && rm "$ETC/growing"
}
