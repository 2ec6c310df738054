#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Makes a stock Ubuntu or Oracle Linux image fit for a node. Everything is idempotent and survives a
# reboot.
set -eu
# shellcheck source=../lib/lib.sh
. "${CAPOM_ROOT:-}/usr/local/lib/capom/lib.sh"

# The firewall openings, one "CHAIN rule" each. What may come over the tailnet is for the tailnet's
# policy to say.
openings() {
	echo "INPUT -p udp -m udp --dport 41641 -j ACCEPT"
	for interface in tailscale0 cilium_+ lxc+; do
		echo "INPUT -i $interface -j ACCEPT"
		echo "FORWARD -i $interface -j ACCEPT"
		echo "FORWARD -o $interface -j ACCEPT"
	done
	for cidr in $CAPOM_POD_CIDRS; do
		echo "INPUT -s $cidr -j ACCEPT"
		echo "FORWARD -s $cidr -j ACCEPT"
		echo "FORWARD -d $cidr -j ACCEPT"
	done
	# A load balancer reaches the API server on the machine's VCN address.
	if [ "$CAPOM_ROLE" = control-plane ] && [ -z "$CAPOM_VIP" ]; then
		echo "INPUT -p tcp -m tcp --dport $CAPOM_ENDPOINT_PORT -j ACCEPT"
	fi
}

# Oracle's Ubuntu images end INPUT and FORWARD in REJECT and load /etc/iptables/rules.v4 at boot.
# The openings go ahead of the first REJECT; no other line changes, InstanceServices (the boot
# volume's iSCSI) least of all. The running rules are never saved to the file, for they hold
# Cilium's.
open_iptables() {
	saved=$ROOT/etc/iptables/rules.v4
	openings | grep -v : >"$RUN/openings"
	if [ -f "$saved" ]; then
		awk -v openings="$RUN/openings" '
			BEGIN { while ((getline line < openings) > 0) { chain = line; sub(/ .*/, "", chain); sub(/ -j ACCEPT$/, " -m comment --comment capom -j ACCEPT", line); text[chain] = text[chain] "-A " line "\n" } }
			/--comment capom / { next }
			/^-A [A-Z]+ .*-j (REJECT|DROP)/ && ($2 in text) { printf "%s", text[$2]; delete text[$2] }
			{ print }' "$saved" >"$saved.capom"
		chmod 0640 "$saved.capom"
		mv "$saved.capom" "$saved"
	fi
	have iptables || return 0
	while read -r chain rule; do
		# shellcheck disable=SC2086
		iptables -w 10 -C "$chain" $rule 2>/dev/null || iptables -w 10 -I "$chain" 1 $rule
	done <"$RUN/openings"
}

# A source's zone wins over its interface's, so pod addresses cover the pods' own interfaces. Both
# for now and for later, without a reload, which would drop the rules of others. Oracle's direct
# rules stay.
open_firewalld() {
	systemctl is-active --quiet firewalld.service 2>/dev/null || return 0
	for when in --permanent ""; do
		for interface in tailscale0 cilium_host cilium_net cilium_vxlan; do
			# shellcheck disable=SC2086
			firewall-cmd -q $when --zone=trusted --change-interface="$interface"
		done
		for cidr in $CAPOM_POD_CIDRS; do
			# shellcheck disable=SC2086
			firewall-cmd -q $when --zone=trusted --add-source="$cidr"
		done
		# shellcheck disable=SC2086
		firewall-cmd -q $when --add-port=41641/udp
		if [ "$CAPOM_ROLE" = control-plane ] && [ -z "$CAPOM_VIP" ]; then
			# shellcheck disable=SC2086
			firewall-cmd -q $when --add-port="$CAPOM_ENDPOINT_PORT/tcp"
		fi
	done
}

# kubelet refuses to start with swap, which Oracle Linux images have.
disable_swap() {
	swapoff -a
	if grep -Eq '^[^#].*[[:space:]]swap[[:space:]]' "$ROOT/etc/fstab" 2>/dev/null; then
		sed -i -E '/^[^#].*[[:space:]]swap[[:space:]]/s/^/#capom /' "$ROOT/etc/fstab"
	fi
}

# Built into some kernels, in which case modprobe fails and nothing is missing.
for module in overlay br_netfilter tun vxlan; do
	modprobe "$module" 2>/dev/null || true
done
sysctl -q -e -p "$ROOT/etc/sysctl.d/90-capom.conf"
grow_root || announce "the root file system was not grown"
disable_swap
open_iptables
open_firewalld
if have restorecon; then
	restorecon -RF "$SBIN" "$ETC" "$ROOT/etc/systemd/system" || true
fi
