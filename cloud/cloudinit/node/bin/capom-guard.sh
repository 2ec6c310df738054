#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Keeps tailnet and pod packets apart. "once" puts everything in place, "watch" puts back what others remove:
# tailscaled and systemd-networkd flush policy rules when they restart. "again" is one round of the watch.
set -eu
# shellcheck source=../lib/lib.sh
. "${CAPOM_ROOT:-}/usr/local/lib/capom/lib.sh"

TAILNET=100.64.0.0/10

# What must leave by the tailnet whatever its mark: Cilium writes identities into the bits that tailscale's bypass rules
# (5210 and up) test. The kernel's local table still comes first, so an address of our own is still delivered locally.
# CIDR lists are words on purpose.
# shellcheck disable=SC2086
tailnet_destinations() {
	echo "$TAILNET"
	[ -z "$CAPOM_VIP_RANGE" ] || echo "$CAPOM_VIP_RANGE"
	if [ "$CAPOM_POD_NETWORK" = TailnetRoutes ]; then
		ipv4 $CAPOM_POD_CIDRS
	fi
}

ipv4() {
	for cidr in "$@"; do
		case $cidr in
		*:*) ;;
		*) echo "$cidr" ;;
		esac
	done
}

ensure_rules() {
	for destination in $(tailnet_destinations); do
		destination=${destination%/32}
		ip -4 rule show | grep -Eq "^5200:.* to $destination lookup 52" || ip -4 rule add pref 5200 to "$destination" lookup 52
	done
}

underlay_interfaces() {
	printf '%s\n' 'en*' 'eth*'
	ip -4 -o route show table main default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | grep -Ev '^(en|eth|tailscale)' | sort -u
}

# - prerouting: nobody on the VCN may claim a tailnet, VIP or pod address.
# - output, input: tailscaled's socket (udp/41641) must not use pod addresses or Cilium's interfaces as a path to a peer,
#   a tunnel inside its own tunnel (tailscale issue 1552).
# - forward: pods get no credentials from the metadata service and no iSCSI; name service alone is left. The host's own
#   packets do not pass here.
# shellcheck disable=SC2086
rule_table() {
	echo 'table inet capom'
	echo 'delete table inet capom'
	echo 'table inet capom {'
	echo ' chain prerouting { type filter hook prerouting priority -310;'
	underlay_interfaces | while read -r interface; do
		for source in $TAILNET $CAPOM_VIP_RANGE $(ipv4 $CAPOM_POD_CIDRS); do
			echo "  iifname \"$interface\" ip saddr $source drop"
		done
	done
	echo ' }'
	echo ' chain output { type filter hook output priority -310;'
	for destination in $CAPOM_VIP_RANGE $(ipv4 $CAPOM_POD_CIDRS $CAPOM_SERVICE_CIDRS); do
		echo "  udp sport 41641 ip daddr $destination drop"
	done
	echo '  udp sport 41641 oifname "cilium_*" drop'
	echo '  udp sport 41641 oifname "lxc*" drop'
	echo ' }'
	echo ' chain input { type filter hook input priority -310;'
	echo '  iifname "cilium_*" udp dport 41641 drop'
	echo '  iifname "lxc*" udp dport 41641 drop'
	echo ' }'
	echo ' chain forward { type filter hook forward priority -310;'
	echo '  ip daddr 169.254.0.0/16 udp dport 53 return'
	echo '  ip daddr 169.254.0.0/16 tcp dport 53 return'
	echo '  ip daddr 169.254.0.0/16 drop'
	echo ' }'
	echo '}'
}

ensure_table() {
	if [ "$1" = once ] || ! nft list table inet capom >/dev/null 2>&1; then
		rule_table | nft -f -
	fi
}

# tailscaled sets it when its netfilter mode is on, and never back; Cilium's proxy needs 0 (cilium issue 48706).
ensure_sysctl() {
	if [ "$(sysctl -n net.ipv4.conf.all.src_valid_mark)" != 0 ]; then
		sysctl -q -w net.ipv4.conf.all.src_valid_mark=0
	fi
}

case ${1:-} in
once | again)
	ensure_rules
	ensure_table "$1"
	ensure_sysctl
	;;
watch)
	while :; do
		sleep "${CAPOM_GUARD_INTERVAL:-10}"
		"$0" again || log "guards could not be restored; trying again"
	done
	;;
*) fail "usage: $0 once|again|watch" ;;
esac
