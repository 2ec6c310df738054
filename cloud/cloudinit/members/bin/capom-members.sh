#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Has this node's own connections to the control plane's address go to an API server that is ready,
# whoever advertises the address, and whether or not the coordination server can move it. While no
# member is known or ready, the route to the address decides, as it does for everybody else.
#   run     the agent
#   leave   what systemd runs when the agent is gone
set -eu
# shellcheck source=../../node/lib/lib.sh
. "${CAPOM_ROOT:-}/usr/local/lib/capom/lib.sh"

MEMBERS=$ROOT/var/lib/capom/members
TABLE="table ip capom_members"

# Keeps the list of members for the next boot, too. kubelet's own right is enough to get Endpoints
# (kubernetes plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go, NodeRules). An answer
# without an address, or one that breaks off, leaves the list as it is. No cluster has as many as
# are taken at most: all of them may be asked at once.
remember() {
	found=$(api --max-time 5 "https://$CAPOM_VIP:$CAPOM_ENDPOINT_PORT/api/v1/namespaces/default/endpoints/kubernetes") || return 0
	found=$(printf '%s\n' "$found" | grep -Eo '"ip": *"[0-9.]+"' | tr -cd '0-9.\n' | sort -u | head -n 32)
	if [ -n "$found" ] && [ "$found" != "$(cat "$MEMBERS" 2>/dev/null)" ]; then
		echo "$found" >"$MEMBERS.new"
		put_on_disk "$MEMBERS"
	fi
}

# The node's own API server is one only while the node holds the address: otherwise it was taken
# off.
candidates() {
	all=
	for member in $members; do
		[ "$member" != "$me" ] || [ -e "$RUN/vip-held" ] || continue
		all="$all $member"
	done
}

probe() {
	api --max-time 1.5 -o /dev/null "https://$1:$CAPOM_ENDPOINT_PORT/readyz"
}

# answered MEMBER: whether it is among those that were ready when all were asked.
answered() {
	[ "$ready" != "${ready#*"<$1>"}" ]
}

# - postrouting: the source is the one for the way to the VIP, not to the member: on its holder the
#   VIP itself, to which no other node could answer.
# - cut: a connection to a member that is not ready is reset by the next packet that is sent on it;
#   clients would notice after half a minute (Go's HTTP/2 pings). So is one that still goes by the
#   route, for the address may have been that member's. Nothing is cut while nobody is ready.
rules() {
	echo "$TABLE"
	echo "delete $TABLE"
	echo "$TABLE {"
	echo ' chain output { type nat hook output priority -100;'
	[ -z "$target" ] || echo "  ip daddr $CAPOM_VIP tcp dport $CAPOM_ENDPOINT_PORT dnat to $target"
	echo ' }'
	echo ' chain postrouting { type nat hook postrouting priority 100;'
	echo "  ct original ip daddr $CAPOM_VIP ct status dnat oifname != \"lo\" masquerade"
	echo ' }'
	echo ' chain cut { type filter hook output priority 0;'
	[ -z "$target" ] || [ -z "$gone" ] ||
		echo "  ct original ip daddr $CAPOM_VIP ip daddr { $CAPOM_VIP$gone } tcp dport $CAPOM_ENDPOINT_PORT reject with tcp reset"
	echo ' }'
	echo '}'
}

# The rules are loaded when they differ, and when somebody has flushed them. They are there before
# there are members: the kernel takes a connection that it did not watch before for a new one.
apply() {
	target='' gone=''
	for member in $members; do
		if answered "$member"; then
			target=${target:-$member}
		else
			gone=$gone,$member
		fi
	done
	# The own one comes first.
	! answered "$me" || target=$me
	wanted=$(rules)
	[ "$wanted" != "$loaded" ] || ! nft list "$TABLE" >/dev/null 2>&1 || return 0
	printf '%s\n' "$wanted" | nft -f - || return 0
	loaded=$wanted
	log "connections to $CAPOM_VIP go to ${target:-the node that advertises it}${gone:+; not ready: ${gone#,}}"
}

# The member in use is asked every second, all of them every ten seconds and once it has failed. It
# is left when it fails twice in a row, which a hang takes four seconds for. In the usual second
# nothing has changed: it starts no program but curl and sleep, for nodes have little CPU.
run() {
	target='' misses=2 round=0 known='' members='' loaded='' me=''
	while :; do
		round=$((round + 1))
		[ -n "$me" ] || me=$(tailnet_address) || true
		if [ -r "$CERT" ] && { [ -z "$members" ] || [ $((round % 30)) -eq 1 ]; }; then
			remember &
		fi
		listed=
		[ ! -r "$MEMBERS" ] || while read -r member; do listed="$listed $member"; done <"$MEMBERS"
		if [ "$me$listed" != "$known" ]; then
			known=$me$listed
			# Every node has an order of its own, so that the members share the nodes.
			members=$(
				for member in $listed; do
					echo "$(printf '%s' "$me $member" | sha256sum) $member"
				done | sort | sed 's/.* //'
			)
		fi
		candidates
		if [ "$misses" -eq 0 ] && [ "$all" = "$before" ] && [ $((round % 10)) -ne 1 ]; then
			probe "$target" || misses=1
		else
			before=$all
			ready=$(
				for member in $all; do
					probe "$member" && echo "<$member>" &
				done
				wait
			)
			misses=$((misses + 1))
			! answered "$target" || misses=0
			# Of an answer that took a while the question may be out of date.
			candidates
			if [ "$misses" -ne 1 ] && [ "$all" = "$before" ]; then
				apply
				# Whoever waits for an answer sends nothing, and need not wait either.
				[ "$misses" -eq 0 ] || [ -z "$target" ] || [ -z "$gone" ] ||
					ss -K dst "$CAPOM_VIP" dport = "$CAPOM_ENDPOINT_PORT" >/dev/null 2>&1 || true
			fi
		fi
		[ "$misses" -eq 1 ] || sleep "${CAPOM_MEMBERS_INTERVAL:-1}"
	done
}

case ${1:-} in
run) run ;;
leave) nft delete "$TABLE" 2>/dev/null || true ;;
*) fail "usage: $0 run|leave" ;;
esac
