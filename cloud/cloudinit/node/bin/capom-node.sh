#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# The order of a machine's first boot. $1 is cloud-init's script that runs kubeadm; it is made
# executable at the end.
set -eu
# shellcheck source=../lib/lib.sh
. "${CAPOM_ROOT:-}/usr/local/lib/capom/lib.sh"

gate=$1

# A reboot in the middle of all this is not gone on with: then it says what is missing.
until_done "Enabling the join at later boots" systemctl enable capom-join.service
until_done "Fitting the host" "$SBIN/capom-host"
until_done "Mounting the data volumes" "$SBIN/capom-volumes"
until_done "Installing packages" "$SBIN/capom-install"
systemctl daemon-reload
until_done "Starting tailscaled" systemctl enable --now tailscaled.service
until_done "Guarding the tailnet's packets" systemctl enable --now capom-guard.service
until_done "Joining the tailnet" "$SBIN/capom-join"
until_done "Letting kubelet start" systemctl start capom-join.service
until_done "Setting kubeadm's advertise address" "$SBIN/capom-kubeadm"
if [ "$CAPOM_POD_NETWORK" = TailnetRoutes ] || has_vip; then
	until_done "Starting to advertise routes" systemctl enable --now capom-routes.service
fi
if [ -e "$SBIN/capom-members" ]; then
	until_done "Finding API servers" systemctl enable --now capom-members.service
fi
if [ -e "$RUN/vip-first" ]; then
	until_done "Holding the control plane's address" "$SBIN/capom-routes" wait-held
fi
if [ -f "$gate" ]; then
	chmod 0700 "$gate"
fi
announce "the machine is on the tailnet as $(tailnet_address); kubeadm may run"
