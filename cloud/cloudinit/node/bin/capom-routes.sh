#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Advertises what this node answers for: the control plane's address while the local API server is
# ready, and in TailnetRoutes mode the node's own pod CIDRs. It is the only writer of the node's
# advertised routes.
#   run        the agent
#   withdraw   what systemd runs when the agent is gone
#   wait-held  returns when the address is held, before kubeadm init
set -eu
# shellcheck source=../lib/lib.sh
. "${CAPOM_ROOT:-}/usr/local/lib/capom/lib.sh"

INTERVAL=${CAPOM_VIP_INTERVAL:-5}
TIMEOUT=${CAPOM_VIP_TIMEOUT:-3}
FAILURES=${CAPOM_VIP_FAILURES:-3}
PKI=$ROOT/etc/kubernetes/pki

# Prints ready, refused (nothing listens), silent (no answer in time) or unready. The node's own
# address is asked, never the VIP, which may be another node's. The client certificate is for
# clusters that switched anonymous requests off.
probe() {
	address=$(tailnet_address) || { echo unready && return; }
	set --
	if [ -r "$PKI/apiserver-kubelet-client.key" ]; then
		set -- --cert "$PKI/apiserver-kubelet-client.crt" --key "$PKI/apiserver-kubelet-client.key"
	fi
	rc=0
	code=$(curl -sk --noproxy '*' "$@" --max-time "$TIMEOUT" -o /dev/null -w '%{http_code}' "https://$address:$CAPOM_ENDPOINT_PORT/readyz") || rc=$?
	case $rc:$code in
	0:200) echo ready ;;
	7:*) echo refused ;;
	28:*) echo silent ;;
	*) echo unready ;;
	esac
}

# The node's name as its kubelet's certificate has it.
node_name() {
	name=$(openssl x509 -noout -subject -nameopt multiline -in "$CERT" 2>/dev/null | sed -n 's/.*system:node:\(.*\)$/\1/p')
	echo "${name:-$(hostname | tr '[:upper:]' '[:lower:]')}"
}

# The pod CIDRs that the controller manager gave this node, from its Node object; remembered in a
# tmpfs.
pod_cidrs() {
	[ "$CAPOM_POD_NETWORK" = TailnetRoutes ] || return 0
	if [ ! -s "$RUN/pod-cidrs" ] && [ -r "$CERT" ]; then
		api --max-time "$TIMEOUT" "https://$CAPOM_ENDPOINT_HOST:$CAPOM_ENDPOINT_PORT/api/v1/nodes/$(node_name)" 2>/dev/null |
			tr -d ' \n"' | sed -n 's/.*podCIDRs:\[\([^]]*\)\].*/\1/p' >"$RUN/pod-cidrs" || true
	fi
	cat "$RUN/pod-cidrs" 2>/dev/null || true
}

# advertise HELD: tells tailscaled the whole set, when it differs from what was told last.
advertise() {
	routes=$(pod_cidrs)
	if [ "$1" = yes ]; then
		routes=$CAPOM_VIP/32${routes:+,$routes}
	fi
	[ "${advertised-nothing}" != "$routes" ] || return 0
	timeout 10 tailscale set --advertise-routes="$routes" || return 0
	advertised=$routes
	log "advertising '$routes'"
}

# The address goes on lo: tailscaled does not offer loopback addresses as endpoints, and Cilium does
# not select lo.
hold() {
	if has_vip; then
		ip addr replace "$CAPOM_VIP/32" dev lo
	fi
	advertise yes
	if [ ! -e "$RUN/vip-held" ]; then
		log "holding $CAPOM_VIP"
		: >"$RUN/vip-held"
	fi
}

# The route goes first, so that nobody is sent here any more. Without the address, this node's own
# clients reach the control plane that holds it now.
release() {
	advertise no
	if has_vip; then
		ip addr del "$CAPOM_VIP/32" dev lo 2>/dev/null || true
	fi
	if [ -e "$RUN/vip-held" ]; then
		log "released $CAPOM_VIP"
		rm -f "$RUN/vip-held"
		# Nor do they go on to the own API server by the rules of that agent, if there is one.
		"$SBIN/capom-members" leave 2>/dev/null || true
	fi
}

# The first control plane holds the address before kubeadm init, which talks to it; not for ever,
# lest a machine whose init failed attracts the clients of its replacement.
first_hold() {
	[ -e "$RUN/vip-first" ] || return 1
	age=$(($(date +%s) - $(stat -c %Y "$RUN/vip-first")))
	[ "$age" -lt "${CAPOM_VIP_FIRST_HOLD:-1800}" ]
}

pause() {
	sleep "$1" &
	wait $! || true
}

# A refused connection means that the API server is gone, and silence that it hangs: neither need be
# watched for long. "unready" may be an etcd election that passes on all control planes at once.
run() {
	trap 'release; exit 0' TERM INT
	failures=$FAILURES
	while :; do
		next=$INTERVAL
		if ! has_vip; then
			advertise no
			pause "$next"
			continue
		fi
		result=$(probe)
		case $result in
		ready)
			failures=0
			rm -f "$RUN/vip-first"
			;;
		*)
			failures=$((failures + 1))
			[ "$result" = unready ] || [ "$failures" -gt "$FAILURES" ] || next=${CAPOM_VIP_AGAIN_INTERVAL:-1}
			;;
		esac
		if [ "$failures" -lt "$FAILURES" ] || first_hold; then
			hold
		else
			release
		fi
		pause "$next"
	done
}

case ${1:-} in
run) run ;;
withdraw) release ;;
wait-held)
	left=60
	until [ -e "$RUN/vip-held" ]; do
		[ "$left" -gt 0 ] || fail "capom-routes.service does not hold $CAPOM_VIP"
		sleep 1
		left=$((left - 1))
	done
	;;
*) fail "usage: $0 run|withdraw|wait-held" ;;
esac
