#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Brings Kubernetes and tailscale to the versions that this node's own Node object asks for, and
# tells there how far it is. It takes two versions and nothing else, goes up and never down, and
# installs from where the node was installed. Whatever was begun is begun again after a reboot:
# each step does nothing where it was done, and node.env has the new versions last of all. With the
# word "fetch" behind them it only fetches what Kubernetes' version needs. It also has the file
# systems fill volumes that have grown, and tells their sizes.
# With "run" it is the agent, without one round of it.
set -eu
# shellcheck source=../../node/bin/capom-install.sh
. "${CAPOM_ROOT:-}/usr/local/sbin/capom-install"

SERVER=https://$CAPOM_ENDPOINT_HOST:$CAPOM_ENDPOINT_PORT
KEY=infrastructure.cluster.x-k8s.io/ocimesh
NUMBERS='([0-9]{1,3}\.){2}[0-9]{1,3}'
BEGUN=$ETC/begun

# The key is not taken out of managedFields, where it begins with f:, nor out of other values,
# where the quotes are escaped.
annotation() {
	printf '%s\n' "$node" | sed -n "s|.*\"$KEY-$1\": *\"\([^\"]*\)\".*|\1|p" | head -n 1
}

# put NAME TEXT: annotates the Node, if it does not say so yet.
put() {
	text=$(printf '%s' "$2" | tr -cd '[:alnum:] ._:/=,-')
	[ "$text" != "$(cat "$RUN/$1")" ] || return 0
	log "$text"
	printf '%s\n' "$text" >"$RUN/$1"
	api -o /dev/null -X PATCH -H 'Content-Type: application/merge-patch+json' \
		--data "{\"metadata\":{\"annotations\":{\"$KEY-$1\":\"$text\"}}}" "$NODE" || true
}

# tell "STATE MESSAGE": puts "VERSIONS STATE MESSAGE" on the Node.
tell() {
	put reported "$wanted $1"
}

in_order() {
	printf '%s\n' "$@" | sort -V -C
}

# Without its agent the address is let go of. The others have to answer at it, or nothing could be
# upgraded.
leave_vip() {
	has_vip || return 0
	: >"$RUN/left"
	systemctl stop capom-routes.service
	left=30
	until api -o /dev/null "$SERVER/readyz"; do
		[ "$left" -gt 0 ] || fail "no other control plane answers at $CAPOM_VIP"
		sleep 1
		left=$((left - 1))
	done
}

# The agent of the address holds it once the API server is ready. It starts by itself after a
# reboot, and is left alone if somebody else has stopped it.
return_vip() {
	[ ! -e "$RUN/left" ] || systemctl start capom-routes.service
	rm -f "$RUN/left"
}

# packages -d|"" NAME...: -d fetches them only.
packages() {
	only=$1
	shift
	version=${kubernetes#v}
	base=$CAPOM_KUBERNETES_REPO/${kubernetes%.*}/$family/
	specs=
	# Apart from the packages: left of || the shell would not heed set -e.
	if [ "$family" = deb ]; then
		deb_repository kubernetes "${base}Release.key" "$CAPOM_KUBERNETES_KEYS" "$base /"
	else
		rpm_repository kubernetes "$base" "${base}repodata/repomd.xml.key" "$CAPOM_KUBERNETES_KEYS" "kubelet kubeadm kubectl cri-tools kubernetes-cni"
	fi
	if [ "$family" = deb ]; then
		for name in "$@"; do specs="$specs $name=$version-*"; done
		# shellcheck disable=SC2086
		apt update && apt install $only --allow-change-held-packages $specs && apt-mark -q hold kubelet kubeadm kubectl
	else
		for name in "$@"; do specs="$specs $name-$version"; done
		# shellcheck disable=SC2086
		dnf -q -y install ${only:+--downloadonly} --disableexcludes=kubernetes $specs
	fi || fail "Kubernetes $version cannot be installed from $base"
}

# What has to be so before anything is changed. The control planes' version is the one in
# kubeadm-config, which only the control plane's controller changes and kubeadm goes by; a worker
# never passes the API server.
check_kubernetes() {
	lowest=$(cat "$BEGUN" 2>/dev/null || echo "$CAPOM_KUBERNETES_VERSION")
	highest=v1.$(($(echo "$CAPOM_KUBERNETES_VERSION" | cut -d. -f2) + 1)).999
	in_order "$lowest" "$kubernetes" "$highest" || fail "$lowest cannot become $kubernetes in place"
	if [ "$family" = deb ]; then dpkg-query -W kubeadm; else rpm -q kubeadm; fi >/dev/null ||
		fail "kubeadm is of no package: delete the Machine, and it is replaced"
	if [ "$CAPOM_ROLE" = control-plane ]; then
		has=$(api "$SERVER/api/v1/namespaces/kube-system/configmaps/kubeadm-config" | sed -n 's/.*kubernetesVersion: \(v[0-9.]*\).*/\1/p')
		[ "$has" = "$kubernetes" ] || fail "kubeadm-config has '$has', not $kubernetes"
	else
		has=$(api "$SERVER/version" | sed -n 's/.*"gitVersion": *"\(v[0-9.]*\).*/\1/p')
		in_order "$kubernetes" "$has" || fail "the API server has '$has', and kubelet must not be newer"
	fi
}

# kubeadm forgets the folder of patches that it was initialised with; the manager does not ask nodes
# with another one. Addons are the control plane controller's; kubeadm has the phase since v1.32.
upgrade_node() {
	# shellcheck disable=SC2046
	set -- $(cat "$ETC/ignored" 2>/dev/null || true)
	[ ! -d "$ROOT/etc/kubernetes/patches" ] || set -- "$@" --patches=/etc/kubernetes/patches
	! in_order v1.32.0 "$kubernetes" || set -- "$@" --skip-phases=addon
	if ! timeout 1800 kubeadm upgrade node "$@" >"$RUN/kubeadm.log" 2>&1; then
		cat "$RUN/kubeadm.log"
		fail "kubeadm upgrade node: $(grep -v '^To ' "$RUN/kubeadm.log" | tail -n 1)"
	fi
}

update_kubernetes() {
	check_kubernetes
	tell "working fetching the packages"
	packages -d kubeadm kubelet kubectl
	[ -z "$fetch" ] || exit 0
	echo "$kubernetes" >"$BEGUN.new"
	put_on_disk "$BEGUN"
	packages "" kubeadm
	leave_vip
	tell "working running kubeadm upgrade node"
	upgrade_node
	tell "working installing kubelet"
	packages "" kubelet kubectl
	systemctl daemon-reload
	systemctl restart kubelet.service
}

update_tailscale() {
	# Any other source comes before package in the order of words.
	in_order "package $CAPOM_TAILSCALE_VERSION" "$CAPOM_TAILSCALE_SOURCE $tailscale" ||
		fail "tailscale $CAPOM_TAILSCALE_VERSION, of source $CAPOM_TAILSCALE_SOURCE, cannot become $tailscale"
	leave_vip
	tell "working installing tailscale"
	CAPOM_TAILSCALE_VERSION=$tailscale
	tailscale_from_package
	"$SBIN/capom-join"
}

# dpkg ends first what a reboot has cut off, unless somebody else is at it. dnf would not look for
# new packages for two days.
update() {
	# Not by echo: dash's makes two lines of a \n in it, of which the second alone might pass.
	printf '%s\n' "$wanted" | grep -Eqx "v$NUMBERS (-|$NUMBERS)( fetch)?" || fail "these are not two versions"
	# shellcheck disable=SC2086
	set -- $wanted
	kubernetes=$1 tailscale=$2 fetch=${3:-}
	# The provider takes its time with what follows.
	[ -z "$fetch" ] || [ "$(cat "$RUN/reported")" != "$wanted done" ] || return 0
	[ "$tailscale" != - ] || tailscale=$CAPOM_TAILSCALE_VERSION
	# What was begun is not settled, whatever is wanted by now.
	settled=$CAPOM_KUBERNETES_VERSION$(cat "$BEGUN" 2>/dev/null || true)
	[ "$kubernetes $tailscale" != "$settled $CAPOM_TAILSCALE_VERSION" ] || return 0
	if [ "$family" = deb ]; then dpkg --force-confold --configure -a || true; else dnf -q clean expire-cache; fi
	[ "$tailscale" = "$CAPOM_TAILSCALE_VERSION" ] || update_tailscale
	[ "$kubernetes" = "$settled" ] || update_kubernetes
	cp -p "$ETC/node.env" "$ETC/node.env.new"
	sed -i "s/^\(CAPOM_KUBERNETES_VERSION=\).*/\1'$kubernetes'/; s/^\(CAPOM_TAILSCALE_VERSION=\).*/\1'$tailscale'/" "$ETC/node.env.new"
	put_on_disk "$ETC/node.env"
	rm -f "$BEGUN"
}

# A node that has no certificate yet, or cannot be read, asks for no version. The checks that
# kubeadm was told to pass over are kept: its configuration is gone after a reboot.
once() {
	if sed -n '/^ *ignorePreflightErrors:/,/^ *[^ -]/s/^ *- /--ignore-preflight-errors=/p' "$ROOT"/run/kubeadm/*.yaml >"$RUN/ignored" 2>/dev/null &&
		! cmp -s "$RUN/ignored" "$ETC/ignored"; then
		cp "$RUN/ignored" "$ETC/ignored.new"
		put_on_disk "$ETC/ignored"
	fi
	[ -r "$CERT" ] || return 0
	# Who calls it by hand waits until the agent's own round is over, and goes on from there.
	exec 9>"$RUN/update.lock"
	flock 9
	# shellcheck disable=SC1091
	. "$ETC/node.env"
	return_vip
	name=$(openssl x509 -noout -subject -nameopt multiline -in "$CERT" 2>/dev/null | sed -n 's/.*system:node:\(.*\)$/\1/p')
	NODE=$SERVER/api/v1/nodes/${name:?}
	node=$(api "$NODE") || node=
	# Also if nobody can be told: after a reboot a file system is not to wait for the API server.
	volumes=$("$SBIN/capom-grow" "$(annotation wanted-volumes)") || volumes="failed journalctl -u capom-update has the reason"
	[ -n "$node" ] || return 0
	annotation reported >"$RUN/reported"
	annotation volumes >"$RUN/volumes"
	put volumes "$volumes"
	wanted=$(annotation wanted)
	wanted=${wanted:-$CAPOM_KUBERNETES_VERSION ${CAPOM_TAILSCALE_VERSION:--}}
	# In the background the shell heeds set -e.
	update >"$RUN/update.log" 2>&1 &
	rc=0
	wait $! || rc=$?
	return_vip
	cat "$RUN/update.log"
	if [ "$rc" = 0 ]; then tell "done"; else tell "failed $(tail -n 1 "$RUN/update.log")"; fi
	return "$rc"
}

case ${1:-} in
run)
	delay=30
	while :; do
		# After a failure a minute, and twice as long after each further one, to five minutes.
		! "$0" once || delay=15
		delay=$((delay < 150 ? delay * 2 : 300))
		sleep "$delay"
	done
	;;
*) once ;;
esac
