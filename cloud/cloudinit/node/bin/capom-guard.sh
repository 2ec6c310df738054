#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Keeps tailnet and pod packets apart, and pods from the metadata service. "once" puts everything in
# place, "watch" puts back what others change: tailscaled and systemd-networkd flush policy rules
# when they restart. "again" is one round of the watch, "first" tries until everything is in place.
set -eu
# shellcheck source=../lib/lib.sh
. "${CAPOM_ROOT:-}/usr/local/lib/capom/lib.sh"

TAILNET=100.64.0.0/10
# The metadata service's other address (cloud-init DataSourceOracle.py, IPV6_METADATA_ROOT).
METADATA6=fd00:c1::a9fe:a9fe

# of_family 4|6 CIDR...: those CIDRs that are of this family.
of_family() {
	family=$1
	shift
	for cidr in "$@"; do
		case $family$cidr in
		4*:*) ;;
		6*:* | 4*) echo "$cidr" ;;
		esac
	done
}

# Policy rules in the order in which the kernel asks them, all of them ahead of tailscale's (5210
# and up). Its last one, 5270, would have any route that the tailnet offers win over the main table
# (tailscale's router_linux.go, baseIPRules).
# - 5200: what leaves by the tailnet whatever its mark, for Cilium writes identities into the bits
#   that tailscale's bypass rules test. Of the VIPs' range only routes to single addresses count: a
#   wider route is not to a VIP. The kernel's local table comes first, so an address of our own is
#   still delivered locally.
# - 5201: whatever the main table knows by more than its default route. That is the node's subnet,
#   its own pods, and with VXLAN all pods.
# - 5202: with TailnetRoutes the routes of nodes. A wider one is not a node's.
# - 5203: what is never reached over the tailnet. Services are translated before they are routed; a
#   packet that was not must not reach somebody else's. Link-local holds the boot volume.
# They are as the kernel lists them, in numbers: 52 is tailscale's table, 254 the main one.
# CIDR lists are words on purpose.
# shellcheck disable=SC2086
policy_rules() {
	wider=0
	if [ "$1" = 4 ]; then
		echo "5200 from all to $TAILNET lookup 52"
		[ -z "$CAPOM_VIP_RANGE" ] || echo "5200 from all to $CAPOM_VIP_RANGE lookup 52 suppress_prefixlength 31"
		wider=$((${CAPOM_NODE_CIDR_MASK:-1} - 1))
	fi
	echo "5201 from all lookup 254 suppress_prefixlength 0"
	if [ "$CAPOM_POD_NETWORK" = TailnetRoutes ]; then
		for pods in $(of_family "$1" $CAPOM_POD_CIDRS); do
			echo "5202 from all to $pods lookup 52 suppress_prefixlength $wider"
		done
	fi
	for kept in $(of_family "$1" $CAPOM_POD_CIDRS $CAPOM_SERVICE_CIDRS $CAPOM_VCN_CIDRS 169.254.0.0/16 $METADATA6); do
		echo "5203 from all to $kept lookup 254"
	done
}

# Only what differs is changed, and what is missing comes before what is too much goes: no other
# fence is away meanwhile. A rule that the kernel refuses is tried again in each round; nothing is
# deleted then, since it may be there and listed in other words.
ensure_rules() {
	policy_rules "$1" >"$RUN/wanted"
	ip -N "-$1" rule show | sed -n 's/ *$//; s/ \[detached]//; s/^\(520[0-3]\):./\1 /p' >"$RUN/listed"
	# So it is nearly always, and what follows starts four programs.
	[ "$(cat "$RUN/wanted")" != "$(cat "$RUN/listed")" ] || return 0
	{
		grep -Fxvf "$RUN/listed" "$RUN/wanted" | sed 's/^/add pref /'
		grep -Fxvf "$RUN/wanted" "$RUN/listed" | sed 's/^/del pref /'
	} >"$RUN/rules"
	rc=0
	while read -r rule; do
		case $rc$rule in 1d*) break ;; esac
		# shellcheck disable=SC2086
		if ! answer=$(ip "-$1" rule $rule 2>&1); then
			rc=1
			log "the kernel refuses ip -$1 rule $rule: $answer"
		elif [ "$2" = again ]; then
			log "$rule: restored"
		fi
	done <"$RUN/rules"
	return $rc
}

underlay_interfaces() {
	printf '%s\n' 'en*' 'eth*'
	ip -4 -o route show table main default | sed -E '/ dev /!d; s/.* dev ([^ ]*).*/\1/; /^(en|eth|tailscale)/d' | sort -u
}

# Who may ask the metadata service, which hands out the user data and the instance's credentials:
# services of the system (cloud-init, Oracle's agent, time) and root's sessions. Pods of the host's
# network run below kubelet's group, as any user. These two groups, and not kubelet's, are named:
# they are there before kubelet runs, and the kernel compares groups by the number that a path had
# when the rule was loaded. A recreated group changes the comment.
readers_by_group() {
	groups=/sys/fs/cgroup
	[ -e "$ROOT$groups/cgroup.controllers" ] || groups=$groups/unified
	[ -d "$ROOT$groups/system.slice" ] || return 0
	for rule in "system.slice" "user.slice meta skuid 0"; do
		group=${rule%% *}
		[ -d "$ROOT$groups/$group" ] || continue
		name=${groups#/sys/fs/cgroup}/$group
		echo "  socket cgroupv2 level 1 \"${name#/}\"${rule#"$group"} return # $(stat -c %i "$ROOT$groups/$group")"
	done
}

# With control groups of version 1, or a kernel before 5.13, users alone tell pods from the system.
# Oracle's agent has users of its own.
readers_by_user() {
	for user in root oracle-cloud-agent ocarun; do
		id=$(id -u "$user" 2>/dev/null) && echo "  meta skuid $id return"
	done
}

# - prerouting: nobody on the VCN may claim a tailnet, VIP or pod address.
# - output, input: tailscaled's socket (udp/41641) must not use pod addresses or Cilium's interfaces
#   as a path to a peer, a tunnel inside its own tunnel (tailscale issue 1552). The metadata service
#   is for its readers; names, leases and time are for all. The boot volume's iSCSI at 169.254.0.2
#   and 169.254.2.0/24 is never touched.
# - forward: pods get no credentials from the metadata service and no iSCSI; name service alone is
#   left. The host's own packets do not pass here.
# shellcheck disable=SC2086
rule_table() {
	echo 'table inet capom'
	echo 'delete table inet capom'
	echo 'table inet capom {'
	echo ' chain prerouting { type filter hook prerouting priority -310;'
	underlay_interfaces | while read -r interface; do
		for source in $TAILNET $CAPOM_VIP_RANGE $(of_family 4 $CAPOM_POD_CIDRS); do
			echo "  iifname \"$interface\" ip saddr $source drop"
		done
	done
	echo ' }'
	echo ' chain metadata {'
	echo '  udp dport { 53, 67, 123 } return'
	echo '  tcp dport 53 return'
	echo "$1"
	echo '  drop'
	echo ' }'
	echo ' chain output { type filter hook output priority -310;'
	echo '  ip daddr 169.254.169.254 jump metadata'
	echo "  ip6 daddr $METADATA6 jump metadata"
	for destination in $CAPOM_VIP_RANGE $(of_family 4 $CAPOM_POD_CIDRS $CAPOM_SERVICE_CIDRS); do
		echo "  udp sport 41641 ip daddr $destination drop"
	done
	echo '  udp sport 41641 oifname "cilium_*" drop'
	echo '  udp sport 41641 oifname "lxc*" drop'
	echo ' }'
	echo ' chain input { type filter hook input priority -310;'
	echo '  iifname "cilium_*" udp dport 41641 drop'
	echo '  iifname "lxc*" udp dport 41641 drop'
	echo ' }'
	echo ' chain cloud {'
	echo '  udp dport 53 return'
	echo '  tcp dport 53 return'
	echo '  drop'
	echo ' }'
	echo ' chain forward { type filter hook forward priority -310;'
	echo '  ip daddr 169.254.0.0/16 jump cloud'
	echo "  ip6 daddr $METADATA6 jump cloud"
	echo ' }'
	echo '}'
}

# What the kernel lists is compared with what it listed when the table was loaded, so that a rule
# that is missing, new or changed is noticed, and not the table alone.
ensure_table() {
	readers=$(readers_by_group)
	wanted=$(rule_table "$readers")
	if [ "$1" = again ] && [ "$wanted" = "$(cat "$RUN/guard.wanted" 2>/dev/null)" ] &&
		listed=$(nft list table inet capom 2>/dev/null) && [ "$listed" = "$(cat "$RUN/guard.listed" 2>/dev/null)" ]; then
		return 0
	fi
	# By way of a file: of a pipe the shell's own complaint would be the last line, and not nft's.
	printf '%s\n' "$wanted" >"$RUN/guard.nft"
	if [ -z "$readers" ] || ! nft -f "$RUN/guard.nft"; then
		rule_table "$(readers_by_user)" >"$RUN/guard.nft"
		nft -f "$RUN/guard.nft"
		announce "pods of the host's network that run as root reach the metadata service: this needs cgroup v2 and Linux 5.13"
	fi
	nft list table inet capom >"$RUN/guard.listed"
	printf '%s\n' "$wanted" >"$RUN/guard.wanted"
	[ "$1" = once ] || log "the rules were changed: restored"
}

case ${1:-} in
once | again)
	# tailscaled's unit runs a round too. Two at once would read each other's half-written files.
	exec 9>"$RUN/guard.lock"
	flock 9
	# Each part is put in place whatever becomes of the others, and any failure is told. Left of ||
	# the shell would not heed set -e, in the background it does.
	rc=0
	ensure_table "$1" &
	wait $! || rc=1
	ensure_rules 4 "$1" &
	wait $! || rc=1
	[ ! -e /proc/net/if_inet6 ] || ensure_rules 6 "$1" &
	wait $! || rc=1
	# tailscaled sets it when its netfilter mode is on, and never back; Cilium's proxy needs 0
	# (cilium issue 48706). What it is need not be asked first.
	sysctl -q -w net.ipv4.conf.all.src_valid_mark=0 || rc=1
	exit $rc
	;;
first) until_done "Guarding the tailnet's packets" "$0" once ;;
watch)
	told=
	while :; do
		sleep "${CAPOM_GUARD_INTERVAL:-10}"
		# Each failure is told once, on the console, too, and its end.
		now=$("$0" again 2>&1) || now="trying again: $now"
		[ "$now" = "$told" ] || announce "guards: ${now:-in place}"
		told=$now
	done
	;;
*) fail "usage: $0 first|once|again|watch" ;;
esac
