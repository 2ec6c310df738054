#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Puts pinned programs into a cache and prints their paths. hack/upstream.sh takes them from
# upstream's release files; those that it does not have, or cannot reach, are built from Go modules:
#
#   hack/binaries.sh NAME...   one path a line on stdout, progress on stderr
#   hack/binaries.sh envtest   the folder of kube-apiserver and etcd, for KUBEBUILDER_ASSETS
#   hack/binaries.sh list      every name and its version
#
# CAPOM_KUBERNETES_STAMP=v1.37.1 has Kubernetes' programs report that version: upstream's, or else
# the pinned ones with that version in them. The lab upgrades clusters from one to the other.
#
# CAPOM_UPSTREAM=off builds everything.
#
# Versions come from the go.mod files under hack/, but for envtest's, see below. A path is
# ${CAPOM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/capom}/NAME-VERSION/NAME, so a new
# version never meets an old binary. Only a first run builds; building everything
# takes about twenty minutes on two cores and 2.5 GB of memory, less with CAPOM_BUILD_JOBS=1,
# and more where two are built at a time, as for the demo. Programs that read Go
# code have the Go that built them in VERSION: an older one than the code's cannot read it.

set -euo pipefail
shopt -s inherit_errexit

HACK="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
CACHE="${CAPOM_CACHE:-${XDG_CACHE_HOME:-${HOME}/.cache}/capom}"
# Two compilers at once keep the build of kube-apiserver within 2.5 GB.
JOBS="${CAPOM_BUILD_JOBS:-2}"
GOTOOLCHAIN="$("${HACK}/toolchain.sh")"
export GOTOOLCHAIN

NAMES=(kube-apiserver etcd kube-controller-manager kube-scheduler kubectl kubelet kubeadm
  containerd containerd-shim-runc-v2 ctr runc cni-bridge cni-host-local cni-loopback coredns tailscale tailscaled
  cilium-agent cilium-operator-generic cilium-cni cilium-dbg cilium-health cilium-health-responder cilium-mount
  cilium-sysctlfix
  capi-core capi-kubeadm-bootstrap capi-kubeadm-control-plane clusterctl
  controller-gen kustomize crd-ref-docs golangci-lint actionlint govulncheck)

# binary sets, for one name: module (the folder with its go.mod), package (what is
# built), pin (the required module that gives the version), link (the package whose
# version variables the linker sets; empty where the program knows itself), tags, cgo and reads (1
# where the program reads Go code).
binary() {
  link="" tags="" cgo=0 reads=0
  case "$1" in
    kube-apiserver | kube-controller-manager | kube-scheduler | kubectl | kubelet | kubeadm)
      module=kubernetes package="k8s.io/kubernetes/cmd/$1" pin=k8s.io/kubernetes link=k8s.io/component-base/version ;;
    containerd | containerd-shim-runc-v2 | ctr)
      module=node pin=github.com/containerd/containerd/v2 package="github.com/containerd/containerd/v2/cmd/$1" tags=no_btrfs ;;
    runc)
      # It enters namespaces in C before Go starts, and filters system calls through libseccomp.
      module=node pin=github.com/opencontainers/runc package=$pin tags=seccomp cgo=1 ;;
    cni-bridge | cni-loopback)
      module=node pin=github.com/containernetworking/plugins package="${pin}/plugins/main/${1#cni-}" ;;
    cni-host-local)
      module=node pin=github.com/containernetworking/plugins package="${pin}/plugins/ipam/host-local" ;;
    cilium-*)
      # Programs and images have the names of images/*/Dockerfile in Cilium's module.
      module=cilium pin=github.com/cilium/cilium link=github.com/cilium/cilium/pkg/version
      case "${1#cilium-}" in
        agent) package="${pin}/daemon" ;;
        operator-generic) package="${pin}/operator" tags=ipam_provider_operator ;;
        cni) package="${pin}/plugins/cilium-cni" ;;
        dbg | health) package="${pin}/$1" ;;
        health-responder) package="${pin}/cilium-health/responder" ;;
        mount | sysctlfix) package="${pin}/tools/${1#cilium-}" ;;
        *) unknown "$1" ;;
      esac ;;
    coredns)
      module=coredns pin=github.com/coredns/coredns package=$pin ;;
    tailscale | tailscaled)
      module=../test/coordination pin=tailscale.com package="tailscale.com/cmd/$1" link=tailscale.com/version ;;
    etcd)
      module=kubernetes package=go.etcd.io/etcd/server/v3 pin=$package ;;
    capi-core)
      module=capi package=sigs.k8s.io/cluster-api/core ;;
    capi-kubeadm-bootstrap)
      module=capi package=sigs.k8s.io/cluster-api/bootstrap/kubeadm ;;
    capi-kubeadm-control-plane)
      module=capi package=sigs.k8s.io/cluster-api/controlplane/kubeadm ;;
    clusterctl)
      module=capi package=sigs.k8s.io/cluster-api/cmd/clusterctl ;;
    controller-gen)
      module=tools package=sigs.k8s.io/controller-tools/cmd/controller-gen pin=sigs.k8s.io/controller-tools reads=1 ;;
    kustomize)
      module=tools package=sigs.k8s.io/kustomize/kustomize/v5 pin=$package ;;
    crd-ref-docs)
      module=tools package=github.com/elastic/crd-ref-docs pin=$package reads=1 ;;
    golangci-lint)
      module=tools package=./golangci-lint pin=github.com/golangci/golangci-lint/v2 reads=1 ;;
    actionlint)
      module=workflows pin=github.com/rhysd/actionlint package="${pin}/cmd/actionlint" ;;
    govulncheck)
      module=vulnerabilities package=golang.org/x/vuln/cmd/govulncheck pin=golang.org/x/vuln reads=1 ;;
    *) unknown "$1" ;;
  esac
  if [[ ${module} == capi ]]; then
    pin=sigs.k8s.io/cluster-api link=sigs.k8s.io/cluster-api/version
  fi
}

unknown() {
  echo "hack/binaries.sh: unknown name \"$1\"; known are: envtest ${NAMES[*]}" >&2
  return 2
}

# required prints the version of a module that hack/MODULE/go.mod requires.
required() {
  awk -v want="$2" '
    $1 == "require" { $1 = ""; $0 = $0 }
    $1 == want && $2 ~ /^v/ { print $2; found = 1; exit }
    END { exit !found }' "${HACK}/$1/go.mod" ||
    { echo "hack/binaries.sh: hack/$1/go.mod does not require $2" >&2; return 1; }
}

# version prints the version of the binary that binary() described.
version() {
  local version plugin
  version="$(required "${module}" "${pin}")"
  if [[ ${package} == ./golangci-lint ]]; then
    # The plug-in is part of this program, so its version is part of the key.
    plugin="$(required tools sigs.k8s.io/kube-api-linter)"
    version+="-kal-${plugin##*-}"
  fi
  if [[ ${pin} == k8s.io/kubernetes && -n ${CAPOM_KUBERNETES_STAMP:-} ]]; then
    version="${CAPOM_KUBERNETES_STAMP}"
  fi
  if ((reads)); then
    version+="-${GOTOOLCHAIN}"
  fi
  echo "${version}"
}

# linkflags prints linker flags that strip the binary and stamp its version.
linkflags() {
  local plain="${1#v}"
  echo -n "-s -w"
  if [[ ${link} == tailscale.com/version ]]; then
    echo -n " -X ${link}.shortStamp=${plain} -X ${link}.longStamp=${plain}"
  elif [[ ${link} == github.com/cilium/cilium/pkg/version ]]; then
    # Version, revision and date, or it reads none of them (FromString in the package).
    echo -n " -X '${link}.ciliumVersion=${plain} none none'"
  elif [[ -n ${link} ]]; then
    echo -n " -X ${link}.gitVersion=$1 -X ${link}.gitMajor=${plain%%.*}"
    plain="${plain#*.}"
    echo -n " -X ${link}.gitMinor=${plain%%.*} -X ${link}.gitTreeState=clean"
  fi
}

# path prints where a binary lies, and gets it first when it is not there.
path() {
  local name="$1" version folder lock
  binary "${name}"
  version="$(version)"
  folder="${CACHE}/${name}-${version}"
  if [[ ! -x ${folder}/${name} ]]; then
    mkdir -p "${folder}"
    exec {lock}>"${folder}/.lock"
    flock "${lock}"
    # The last holder of the lock may have got it.
    [[ -x ${folder}/${name} ]] || upstream "${name}" "${version}" || stamp "${name}" "${version}" "${folder}" ||
      build "${name}" "${version}" "${folder}"
    exec {lock}>&-
  fi
  echo "${folder}/${name}"
}

# upstream takes a program from upstream's release files into the cache.
upstream() { "${HACK}/upstream.sh" "$1" "$2" "${CACHE}" >&2; }

# stamp makes a program of Kubernetes out of the pinned one, by another version in the places of its
# own. Linking it anew would take seconds, or minutes where the pinned one came from upstream and
# nothing is compiled yet. gitMinor stays, which nothing goes by.
stamp() {
  local name="$1" version="$2" folder="$3" pinned from
  pinned="$(required "${module}" "${pin}")"
  [[ ${pin} == k8s.io/kubernetes && ${version} != "${pinned}" && ${#version} == "${#pinned}" ]] || return 1
  from="$(CAPOM_KUBERNETES_STAMP="" path "${name}")" &&
    LC_ALL=C sed "s/${pinned//./\\.}/${version}/g" "${from}" >"${folder}/.${name}.$$" &&
    chmod 0755 "${folder}/.${name}.$$" && mv "${folder}/.${name}.$$" "${folder}/${name}" &&
    echo "stamped ${name} ${version}" >&2
}

# build compiles to a file beside the target and renames it, so that nobody ever
# runs half a binary.
build() {
  local name="$1" version="$2" folder="$3" started="${SECONDS}"
  echo "building ${name} ${version} ..." >&2
  rm -f "${folder}/.${name}".*
  local unfinished="${folder}/.${name}.$$"
  # With the flags of our own programs (see the Makefile), whose packages they share.
  local flags=(-mod=readonly -trimpath -buildvcs=false -p "${JOBS}" -tags "${tags}")
  (cd "${HACK}/${module}" &&
    "${HACK}/tick.sh" "building ${name}" env -u GOFLAGS GOWORK=off CGO_ENABLED="${cgo}" \
      go build "${flags[@]}" -ldflags "$(linkflags "${version}")" -o "${unfinished}" "${package}") >&2
  mv "${unfinished}" "${folder}/${name}"
  echo "built ${name} ${version} in $((SECONDS - started)) s" >&2
}

# envtest prints a folder that holds kube-apiserver and etcd by name, which is what
# envtest wants to find in KUBEBUILDER_ASSETS. Upstream has an archive for it, but not for each
# patch release: one of the pinned minor release will do.
envtest() {
  local apiserver etcd folder pinned release
  binary kube-apiserver
  pinned="$(version)"
  folder="${CACHE}/envtest-${pinned}"
  if [[ ! -x ${folder}/kube-apiserver || ! -x ${folder}/etcd ]]; then
    release="$("${HACK}/upstream.sh" version envtest/kube-apiserver)" || release=""
    if [[ ${release%.*} == "${pinned%.*}" ]] &&
      upstream envtest/kube-apiserver "${release}" && upstream envtest/etcd "${release}"; then
      echo "${CACHE}/envtest-${release}"
      return
    fi
    etcd="$(path etcd)"
    apiserver="$(path kube-apiserver)"
    mkdir -p "${folder}"
    ln -sfn "${apiserver}" "${folder}/kube-apiserver"
    ln -sfn "${etcd}" "${folder}/etcd"
  fi
  echo "${folder}"
}

list() {
  local name
  for name in "${NAMES[@]}"; do
    binary "${name}"
    printf '%-28s %s\n' "${name}" "$(version)"
  done
}

main() {
  if (($# == 0)); then
    echo "usage: hack/binaries.sh NAME... | envtest | list" >&2
    return 2
  fi
  local name
  for name in "$@"; do
    case "${name}" in
      list) list ;;
      envtest) envtest ;;
      *) path "${name}" ;;
    esac
  done
}

# Leaving on the same line keeps bash from reading a script that was changed meanwhile.
main "$@"; exit
