#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Sets the advertise address in the configuration that the bootstrap data wrote for kubeadm, between
# write_files and runcmd. kubeadm would take the address of the default route's interface, which
# other accounts cannot reach.
set -eu
# shellcheck source=../lib/lib.sh
. "${CAPOM_ROOT:-}/usr/local/lib/capom/lib.sh"

address=$(tailnet_address) || fail "the machine has no tailnet address"
found=
for config in "$ROOT/run/kubeadm/kubeadm.yaml" "$ROOT/run/kubeadm/kubeadm-join-config.yaml"; do
	[ -f "$config" ] || continue
	found=$config
	awk -v address="$address" -f "$ROOT/usr/local/lib/capom/advertise.awk" "$config" >"$RUN/kubeadm.yaml" ||
		fail "$config: the advertise address cannot be set: write localAPIEndpoint in block style"
	# Written in place to keep the owner and mode that the bootstrap provider chose.
	cat "$RUN/kubeadm.yaml" >"$config"
	rm -f "$RUN/kubeadm.yaml"
	if has_vip && grep -q '^kind: *InitConfiguration' "$config"; then
		: >"$RUN/vip-first"
	fi
done
[ -n "$found" ] || fail "the bootstrap data wrote no kubeadm configuration: see /var/log/cloud-init.log"
