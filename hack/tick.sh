#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command that says nothing for minutes, and says on stderr every eight seconds that it is
# still running:
#
#   hack/tick.sh "building etcd" COMMAND...

set -euo pipefail

what="$1"
shift

# tick ends with the other end of its stdin, however this script ends. Whoever waits for our stderr
# to be closed would otherwise wait for a sleep.
tick() {
  local status
  while :; do
    status=0
    read -r -t 8 || status=$?
    # More than 128 is a timeout, 1 the end.
    ((status > 128)) || return 0
    echo "still ${what}, ${SECONDS} s" >&2
  done
}

exec {alive}> >(tick >&2)
"$@" {alive}>&-
