#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# One attempt to join the tailnet; with "wait", attempts until it has joined. The key is used only
# when tailscaled has no identity: afterwards the state file is the identity, and the key is gone
# (k3s issues 10729 and 13597 are what comes of using the key at every boot).
set -eu
# shellcheck source=../lib/lib.sh
. "${CAPOM_ROOT:-}/usr/local/lib/capom/lib.sh"

KEY=$RUN/join/auth-key

if [ "${1:-}" = wait ]; then
	until_done "Joining the tailnet" "$0"
	exit 0
fi

# kubelet's unit may start capom-join.service while the first boot's attempt is under way.
exec 9>"$RUN/join.lock"
flock 9

backend_state() {
	tailscale status --json --peers=false 2>/dev/null | sed -n 's/.*"BackendState": *"\([A-Za-z]*\)".*/\1/p' | head -n 1
}

# Headscale refuses with an HTTP status, after which "tailscale up" waits until its time is over and
# does not say why; tailscaled's health does (tailscale health/warnings.go, LoginStateWarnable).
login_error() {
	tailscale status --json --peers=false 2>/dev/null | sed -n 's/\\"/"/g; s/.*\(The last login error was: .*\)",*$/\1/p' | head -n 1
}

# tailscale's message, on one line, without the key should it ever be quoted.
up_message() {
	awk -v keyfile="$KEY" 'BEGIN { if ((getline key < keyfile) <= 0) key = "" }
		{ while (key != "" && (i = index($0, key)) > 0) $0 = substr($0, 1, i - 1) "[redacted]" substr($0, i + length(key)); if ($0 != "") last = $0 }
		END { print last }' "$RUN/up.log"
}

# Without netfilter, tailscaled neither sets src_valid_mark, which breaks Cilium's proxy, nor
# masquerades packets whose mark happens to look like its own; capom-host opens the firewall and
# capom-guard drops spoofed sources in its stead.
up() {
	name=$(tailnet_hostname) || fail "the instance's OCID is unknown: the join waits for the metadata service"
	set -- --hostname="$name" --accept-dns=false --accept-routes --snat-subnet-routes=false \
		--netfilter-mode=off --timeout="${CAPOM_JOIN_TIMEOUT}s" "$@"
	[ -z "$CAPOM_LOGIN_SERVER" ] || set -- --login-server="$CAPOM_LOGIN_SERVER" "$@"
	if ! tailscale up "$@" >"$RUN/up.log" 2>&1 </dev/null; then
		login_error >>"$RUN/up.log"
		fail "tailscale up: $(up_message)"
	fi
}

state=$(backend_state)
case $state in
NeedsLogin | NoState)
	# tailscaled that has an identity stays in NoState until the coordination server has answered.
	if [ -s "$KEY" ]; then
		up --auth-key="file:$KEY"
	elif [ "$state" = NeedsLogin ]; then
		fail "the machine has no tailnet identity and no auth key is left: replace the machine"
	fi
	;;
Running) ;;
# Without any flag, or tailscale would ask for every setting made since, the advertised routes for
# one.
Stopped) timeout "$CAPOM_JOIN_TIMEOUT" tailscale up >"$RUN/up.log" 2>&1 </dev/null || fail "tailscale up: $(up_message)" ;;
NeedsMachineAuth) fail "the device waits for approval: approve it in the tailnet" ;;
Starting) ;;
*)
	have tailscaled || [ -s "$KEY" ] || fail "the machine was rebooted before tailscale was installed: replace the machine"
	fail "tailscaled does not answer (state '$state')"
	;;
esac

# A machine that has joined before may have its network map from its disk. It has its address then,
# and is Starting until it reaches a relay or a peer (tailscale ipn/ipnlocal/local.go,
# nextStateLocked).
up=Running
[ -s "$KEY" ] || up='Running|Starting'
left=${CAPOM_ADDRESS_WAIT:-60}
until backend_state | grep -Eqx "$up" && address=$(tailnet_address) &&
	ip -4 -o addr show dev tailscale0 2>/dev/null | grep -q "inet $address/"; do
	[ "$left" -gt 0 ] || fail "no tailnet address yet: the coordination server does not answer (state '$(backend_state)')"
	sleep 1
	left=$((left - 1))
done

# The version is pinned; an update switched on in the tailnet's settings must not replace it under
# the cluster.
tailscale set --auto-update=false 2>/dev/null || true
rm -f "$KEY" "$RUN/up.log"
log "tailnet address $address"
