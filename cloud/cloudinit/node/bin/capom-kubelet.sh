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
