#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs before every start of kubelet and writes the environment file that kubelet's unit reads next.
# The arguments come last on kubelet's command line, so they win, and what else stands in
# KUBELET_EXTRA_ARGS is kept.
set -eu
# shellcheck source=../lib/lib.sh
. "${CAPOM_ROOT:-}/usr/local/lib/capom/lib.sh"

# systemd orders kubelet behind the mounts of /etc/fstab, but starts it after one that failed, too,
# and etcd would make a new cluster in the empty directory below. systemd tries it again, for it
# checks the file system first. A volume that did not appear at the first boot has no line there.
while read -r device _ target; do
	if ! mountpoint -q "$ROOT$target" && grep -q "^[^#].* $target " "$ROOT/etc/fstab"; then
		: >"$RUN/mounting"
		systemctl start --no-block "$target"
		fail "$target is not mounted: kubelet waits for the data volume $device"
	fi
done <"$ETC/volumes"
refresh_containerd

address=$(tailnet_address) || fail "the machine has no tailnet address: kubelet waits"
id=$(instance_id) || fail "the instance's OCID is unknown: kubelet waits for the metadata service"
kept=
for word in ${KUBELET_EXTRA_ARGS:-}; do
	case $word in
	--node-ip=* | --provider-id=*) ;;
	*) kept="$kept$word " ;;
	esac
done

# kubelet adds up what several --node-labels say, and of one label takes the last value
# (k8s.io/component-base cli/flag ConfigurationMap): what the user sets is left out here.
found=$CAPOM_NODE_LABELS
if [ -n "$CAPOM_ZONE_PREFIX" ]; then
	domain=$(metadata availabilityDomain || true)
	[ -n "$domain" ] || fail "the availability domain is unknown: kubelet waits for the metadata service"
	domain=$(printf '%s' "$domain" | tr '[:upper:]' '[:lower:]' | sed 's/^.*\(ad-[0-9]*\)$/\1/; s/^.*://')
	found="$found topology.kubernetes.io/zone=$CAPOM_ZONE_PREFIX$domain"
fi
fault=infrastructure.cluster.x-k8s.io/ocimesh-fault-domain
case $found in
*"$fault="*) ;;
*)
	if domain=$(metadata faultDomain) && [ -n "$domain" ]; then
		found="$found $fault=$domain"
	fi
	;;
esac
labels=
for word in $found; do
	case " ${KUBELET_KUBEADM_ARGS:-} $kept" in
	*[=,\ \"\']"${word%%=*}="*) ;;
	*) labels="$labels,$word" ;;
	esac
done
printf 'KUBELET_EXTRA_ARGS=%s--node-ip=%s --provider-id=%s%s%s\n' "$kept" "$address" "$CAPOM_PROVIDER_ID_PREFIX" "$id" \
	"${labels:+ --node-labels=${labels#,}}" >"$RUN/kubelet.env"
