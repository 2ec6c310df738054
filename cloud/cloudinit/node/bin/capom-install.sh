#!/bin/sh
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Installs tailscale and, with bootstrap mode install, containerd, kubelet and kubeadm. What is
# there at the right version is left alone.
set -eu
# shellcheck source=../lib/lib.sh
. "${CAPOM_ROOT:-}/usr/local/lib/capom/lib.sh"

# shellcheck disable=SC1091
. "$ROOT/etc/os-release"
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) fail "machines of type $(uname -m) are not supported" ;;
esac
case $ID in
ubuntu | debian) family=deb ;;
ol | rhel | centos | rocky | almalinux) family=rpm ;;
*) fail "the operating system $ID is not supported: use Ubuntu or Oracle Linux" ;;
esac
# needrestart, on Ubuntu's images, would restart services under the boot that is under way.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

# cloud images run apt by themselves at the first boot: wait for its lock.
apt() {
	apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold "$@"
}

fetch() {
	curl -fsSL --retry 3 --connect-timeout 15 --max-time 600 -o "$2" "$1" || fail "$1 cannot be fetched"
}

require_commands() {
	missing=
	for word in "$@"; do
		have "${word%%:*}" || missing="$missing ${word##*:}"
	done
	[ -n "$missing" ] || return 0
	# shellcheck disable=SC2086
	if [ "$family" = deb ]; then
		apt update && apt install $missing
	else
		dnf -q -y install $missing
	fi || fail "packages cannot be installed:$missing"
}

# trusted_key URL "FINGERPRINT..." FILE --armor|--no-armor: writes those keys that URL gives and
# that are known. Any other key in it is left out: apt and dnf trust each key of a file alike.
trusted_key() {
	if [ "$family" = deb ]; then
		require_commands gpg:gpg
	else
		require_commands gpg:gnupg2
	fi
	GNUPGHOME=$RUN/keys
	export GNUPGHOME
	rm -rf "$GNUPGHOME"
	mkdir -m 0700 "$GNUPGHOME"
	fetch "$1" "$GNUPGHOME/fetched"
	# What is binary already passes unchanged.
	gpg --batch -q --dearmor <"$GNUPGHOME/fetched" >"$GNUPGHOME/keyring" || fail "$1 holds no key"
	found=$(gpg --batch -q --no-default-keyring --keyring "$GNUPGHOME/keyring" --with-colons --list-keys |
		awk -F: '$1 == "pub" { primary = 1 } $1 == "fpr" && primary { print $10; primary = 0 }')
	trusted=
	for fingerprint in $found; do
		case " $2 " in
		*" $fingerprint "*) trusted="$trusted $fingerprint" ;;
		esac
	done
	[ -n "$trusted" ] || fail "the key at $1 is not trusted: its fingerprint is $(echo "$found" | tr '\n' ' ')and should be $2"
	mkdir -p "${3%/*}"
	# shellcheck disable=SC2086
	gpg --batch -q --no-default-keyring --keyring "$GNUPGHOME/keyring" "$4" --output "$GNUPGHOME/trusted" --export $trusted
	cp "$GNUPGHOME/trusted" "$3.new"
	put_on_disk "$3"
	rm -rf "$GNUPGHOME"
}

# A file of a repository that does not name our key is the user's, or the image's, and is used as it
# is; an empty one is what a reset or a full disk leaves.
# deb_repository NAME KEY-URL "FINGERPRINT..." LINE
deb_repository() {
	key=/etc/apt/keyrings/$1.gpg
	list=$ROOT/etc/apt/sources.list.d/$1.list
	[ ! -s "$list" ] || grep -qF "$key" "$list" || return 0
	trusted_key "$2" "$3" "$ROOT$key" --no-armor
	mkdir -p "${list%/*}"
	echo "deb [signed-by=$key] $4" >"$list.new"
	put_on_disk "$list"
}

# install_held "NAME..." PACKAGE...: unattended upgrades must not replace what the Machine's version
# asks for.
install_held() {
	held=$1
	shift
	# shellcheck disable=SC2086
	apt update && apt install --allow-downgrades --allow-change-held-packages "$@" && apt-mark -q hold $held
}

# rpm_repository NAME BASE-URL KEY-URL "FINGERPRINT..." HELD: what is held is excluded from updates;
# dnf's versionlock is a plugin that images need not have.
rpm_repository() {
	key=/etc/pki/rpm-gpg/RPM-GPG-KEY-capom-$1
	list=$ROOT/etc/yum.repos.d/$1.repo
	[ ! -s "$list" ] || grep -qF "$key" "$list" || return 0
	trusted_key "$3" "$4" "$ROOT$key" --armor
	printf '[%s]\nname=%s\nbaseurl=%s\nenabled=1\ngpgcheck=1\ngpgkey=file://%s\nexclude=%s\n' "$1" "$1" "$2" "$key" "$5" \
		>"$list.new"
	put_on_disk "$list"
}

tailscale_from_package() {
	if [ "$family" = deb ]; then
		base=$CAPOM_TAILSCALE_REPO/$ID
		deb_repository tailscale "$base/$VERSION_CODENAME.noarmor.gpg" "$CAPOM_TAILSCALE_KEYS" "$base $VERSION_CODENAME main"
		install_held tailscale "tailscale=$CAPOM_TAILSCALE_VERSION" || fail "tailscale $CAPOM_TAILSCALE_VERSION cannot be installed from $base"
	else
		base=$CAPOM_TAILSCALE_REPO/oracle/${VERSION_ID%%.*}
		rpm_repository tailscale "$base/\$basearch" "$base/repo.gpg" "$CAPOM_TAILSCALE_KEYS" tailscale
		dnf -q -y install --disableexcludes=tailscale "tailscale-$CAPOM_TAILSCALE_VERSION" ||
			fail "tailscale $CAPOM_TAILSCALE_VERSION cannot be installed from $base"
	fi
}

# place FILE TARGET: what a user put there stays.
place() {
	[ ! -e "$2" ] || return 0
	install -m 0644 "$1" "$2.new"
	put_on_disk "$2"
}

tailscale_from_archive() {
	if [ "$arch" = amd64 ]; then
		url=${CAPOM_TAILSCALE_URL_amd64:-} sum=${CAPOM_TAILSCALE_SHA256_amd64:-}
	else
		url=${CAPOM_TAILSCALE_URL_arm64:-} sum=${CAPOM_TAILSCALE_SHA256_arm64:-}
	fi
	[ -n "$url" ] || fail "there is no tailscale archive for $arch"
	# A later step that fails does not have it fetched again.
	[ "$sum" != "$(cat "$RUN/tailscale.sum" 2>/dev/null)" ] || return 0
	work=$RUN/tailscale
	rm -rf "$work"
	mkdir -p "$work"
	fetch "$url" "$work/archive.tgz"
	echo "$sum  $work/archive.tgz" | sha256sum -c - >/dev/null 2>&1 || fail "$url does not have the SHA-256 sum $sum"
	tar -xzf "$work/archive.tgz" --strip-components=1 --no-same-owner -C "$work"
	mkdir -p "$ROOT/usr/sbin" "$ROOT/usr/bin" "$ROOT/etc/default"
	install -m 0755 "$work/tailscaled" "$ROOT/usr/sbin/tailscaled"
	install -m 0755 "$work/tailscale" "$ROOT/usr/bin/tailscale"
	place "$work/systemd/tailscaled.service" "$ROOT/etc/systemd/system/tailscaled.service"
	place "$work/systemd/tailscaled.defaults" "$ROOT/etc/default/tailscaled"
	rm -rf "$work"
	if have restorecon; then
		restorecon -F "$ROOT/usr/sbin/tailscaled" "$ROOT/usr/bin/tailscale"
	fi
	echo "$sum" >"$RUN/tailscale.sum"
}

install_tailscale() {
	if [ "$CAPOM_TAILSCALE_SOURCE" = image ]; then
		have tailscaled || fail "tailscale is not in the image: use an image that has it, or let the machine install it"
		return 0
	fi
	# An archive has a version of its own, and its sum alone tells whether it is the right one.
	if have tailscaled && [ "$CAPOM_TAILSCALE_SOURCE $(tailscale version 2>/dev/null | head -n 1)" = "package $CAPOM_TAILSCALE_VERSION" ]; then
		return 0
	fi
	"tailscale_from_$CAPOM_TAILSCALE_SOURCE"
}

tune_tailscaled() {
	[ -n "$CAPOM_MTU" ] || return 0
	dropin=$ROOT/etc/systemd/system/tailscaled.service.d/10-capom.conf
	mkdir -p "${dropin%/*}"
	printf '[Service]\nEnvironment=TS_DEBUG_MTU=%s\n' "$CAPOM_MTU" >"$RUN/tailscaled.conf"
	if ! cmp -s "$RUN/tailscaled.conf" "$dropin"; then
		cp "$RUN/tailscaled.conf" "$dropin"
		systemctl daemon-reload
		systemctl try-restart tailscaled.service
	fi
}

kubernetes_from_deb() {
	minor=$(echo "$CAPOM_KUBERNETES_VERSION" | cut -d. -f1,2)
	base=$CAPOM_KUBERNETES_REPO/$minor/deb/
	docker=$CAPOM_CONTAINERD_REPO/$ID
	deb_repository kubernetes "${base}Release.key" "$CAPOM_KUBERNETES_KEYS" "$base /"
	deb_repository containerd "$docker/gpg" "$CAPOM_CONTAINERD_KEYS" "$docker $VERSION_CODENAME stable"
	install_held containerd.io "containerd.io=$CAPOM_CONTAINERD_VERSION-*" ||
		fail "containerd $CAPOM_CONTAINERD_VERSION cannot be installed from $docker"
	install_held "kubelet kubeadm kubectl" "kubelet=$1-*" "kubeadm=$1-*" "kubectl=$1-*" conntrack socat ethtool ||
		fail "Kubernetes $1 cannot be installed from $base"
}

kubernetes_from_rpm() {
	minor=$(echo "$CAPOM_KUBERNETES_VERSION" | cut -d. -f1,2)
	base=$CAPOM_KUBERNETES_REPO/$minor/rpm/
	docker=$CAPOM_CONTAINERD_REPO/rhel
	rpm_repository kubernetes "$base" "${base}repodata/repomd.xml.key" "$CAPOM_KUBERNETES_KEYS" "kubelet kubeadm kubectl cri-tools kubernetes-cni"
	rpm_repository containerd "$docker/${VERSION_ID%%.*}/\$basearch/stable" "$docker/gpg" "$CAPOM_CONTAINERD_KEYS" containerd.io
	dnf -q -y install --disableexcludes=containerd "containerd.io-$CAPOM_CONTAINERD_VERSION" ||
		fail "containerd $CAPOM_CONTAINERD_VERSION cannot be installed from $docker"
	dnf -q -y install --disableexcludes=kubernetes "kubelet-$1" "kubeadm-$1" "kubectl-$1" iproute-tc conntrack-tools socat ethtool ||
		fail "Kubernetes $1 cannot be installed from $base"
}

# kubeadm's own guide sets SELinux to permissive: kubelet's and containerd's packages carry no
# policy that kubeadm's static pods run under. An image with Kubernetes preinstalled is left as its
# builder made it.
relax_selinux() {
	have setenforce || return 0
	setenforce 0 2>/dev/null || true
	if [ -f "$ROOT/etc/selinux/config" ]; then
		sed -i 's/^SELINUX=enforcing/SELINUX=permissive/' "$ROOT/etc/selinux/config"
	fi
}

# Whether containerd has runc use systemd's control groups, all of its files taken together: true or
# false, or nothing if it cannot read them.
systemd_cgroup() {
	containerd -c "$config" config dump | awk '/^ *\[/ { runc = /runtimes\.runc\.options\]/ } runc && $1 == "SystemdCgroup" { print $3 }'
}

# A configuration that is there is the user's, or the image's, and stays. One that only switches CRI
# off is the package's and makes room for containerd's default, with kubeadm's pause image and with
# what a user put beside it. Mirrors of certs.d are read at each pull and may come later; containerd
# takes no config_path beside mirrors of another form (its plugins/cri/../config.go), so that it is
# left to whoever has those. What says nothing of control groups is completed by a file that it
# imports, which containerd 2 merges key by key. A user's "SystemdCgroup = false" is a choice.
configure_containerd() {
	config=$ROOT/etc/containerd/config.toml
	dropin=$ROOT/etc/containerd/conf.d/90-capom.toml
	imports="'/etc/containerd/conf.d/*.toml'"
	mkdir -p "${dropin%/*}"
	if ! grep -Evqs '^ *(#|$|disabled_plugins)' "$config"; then
		hosts=/etc/containerd/certs.d
		[ -d "$ROOT$hosts" ] || ! grep -qs '\.registry' "${dropin%/*}"/* || hosts=
		pause=$(kubeadm config images list --kubernetes-version "$CAPOM_KUBERNETES_VERSION" | grep /pause:)
		containerd config default | sed -E "s/(SystemdCgroup = )false/\1true/; s|^(imports = \[)\]|\1$imports]|
			s|^( *config_path = ).*|\1'$hosts'|; s|^( *sandbox(_image)? = ).*|\1'$pause'|" >"$RUN/containerd.toml"
		cp "$RUN/containerd.toml" "$config.new"
		put_on_disk "$config"
	fi
	if [ "$(systemd_cgroup)" = false ] && ! grep -Eqs '^[^#]*SystemdCgroup *= *false' "$config" "${dropin%/*}"/*; then
		# Before 2.3 containerd loses one of two files that are of different versions.
		version="3 io.containerd.cri.v1.runtime"
		! grep -Eq '^version *= *2' "$config" || version="2 io.containerd.grpc.v1.cri"
		printf "version = %s\n[plugins.'%s'.containerd.runtimes.runc.options]\nSystemdCgroup = true\n" "${version% *}" "${version#* }" >"$dropin"
		grep -q '^imports.*conf\.d/\*' "$config" || sed -i "s|^imports[^[]*.|&$imports, |" "$config"
		grep -q '^imports' "$config" || sed -i "1i imports = [$imports]" "$config"
	fi
	case $(systemd_cgroup) in
	true) ;;
	false) announce "SystemdCgroup = false is kept: kubelet needs cgroupDriver cgroupfs" ;;
	*) fail "containerd cannot read $config, or CRI is switched off there" ;;
	esac
	systemctl enable containerd.service kubelet.service
	systemctl restart containerd.service
}

install_kubernetes() {
	version=${CAPOM_KUBERNETES_VERSION#v}
	if [ "$CAPOM_BOOTSTRAP_MODE" = preinstalled ]; then
		for command in kubeadm kubelet; do
			have "$command" || fail "$command is not in the image: use an image that has it, or bootstrap mode install"
		done
		return 0
	fi
	relax_selinux
	if ! have containerd || [ "$(kubeadm version -o short 2>/dev/null)" != "v$version" ]; then
		"kubernetes_from_$family" "$version"
	fi
	configure_containerd
}

# capom-update reads this file for what stands above.
[ "${0##*/}" = capom-install ] || return 0
if [ "$family" = deb ]; then
	require_commands curl:curl nft:nftables ip:iproute2
else
	require_commands curl:curl nft:nftables ip:iproute tar:tar
fi
install_tailscale
tune_tailscaled
install_kubernetes
