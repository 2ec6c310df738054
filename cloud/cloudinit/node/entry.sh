#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs once per instance: cloud-init's scripts-user module starts it after the bootstrap data's
# files are written and before "runcmd", the script in the same directory that runs kubeadm. The
# files for the node follow the marker line.
set -eu
umask 022
ROOT=${CAPOM_ROOT:-}

# Closed first, so that kubeadm does not run even if this script is killed: cloud-init goes on to
# the next script whatever becomes of this one, but skips what is not executable. capom-node opens
# it again.
gate=$(dirname "$0")/runcmd
if [ -f "$gate" ]; then
	chmod 0600 "$gate"
fi

mkdir -p "$ROOT/run/capom/join"
chmod 0700 "$ROOT/run/capom" "$ROOT/run/capom/join"
sed '1,/^__CAPOM_PAYLOAD__$/d' "$0" | base64 -d | tar -xzf - --no-same-owner -C "$ROOT/"
exec "$ROOT/usr/local/sbin/capom-node" "$gate"
