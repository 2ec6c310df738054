#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs once per instance: cloud-init's scripts-user module starts it after the bootstrap data's
# files are written and before "runcmd", the script in the same directory that runs kubeadm. The
# files for the node follow the last line, each below its mode and path.
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
# install makes a file, its folders and its mode first, so that nobody reads a key in between.
awk -v root="$ROOT" '
	$1 == "__CAPOM_END__" { exit }
	$1 == "__CAPOM_FILE__" {
		if (file) close(file)
		file = root "/" $3
		if (system("install -D -m " $2 " /dev/null \"" file "\"")) exit 1
		next
	}
	file { print >>file }
' "$0"
exec "$ROOT/usr/local/sbin/capom-node" "$gate"
