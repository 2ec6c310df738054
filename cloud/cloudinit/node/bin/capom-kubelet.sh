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
printf 'KUBELET_EXTRA_ARGS=%s--node-ip=%s --provider-id=%s%s\n' "$kept" "$address" "$CAPOM_PROVIDER_ID_PREFIX" "$id" >"$RUN/kubelet.env"
