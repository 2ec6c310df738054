#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Writes a release as a clusterctl repository, whose layout is in Cluster API's provider
# contract ("clusterctl provider contract", local repository):
#
#   hack/release-manifests.sh VERSION IMAGE:TAG FOLDER
#
# FOLDER/infrastructure-ocimesh/VERSION/ gets infrastructure-components.yaml, the cluster
# templates and metadata.yaml.

set -euo pipefail

version="$1" image="$2" folder="$3"

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "${root}"
kustomize="$(hack/binaries.sh kustomize)"

release="${folder}/infrastructure-ocimesh/${version}"
rm -rf "${release}"
mkdir -p "${release}"

# An overlay of its own names the image, so that config/ stays as it is committed.
overlay="$(mktemp -d "${folder}/overlay.XXXXXX")"
trap 'rm -rf "${overlay}"' EXIT
(cd "${overlay}" &&
  "${kustomize}" create --resources "$(realpath --relative-to=. "${root}/config/default")" &&
  "${kustomize}" edit set image "ghcr.io/ocimesh/cluster-api-provider-ocimesh=${image}")
"${kustomize}" build "${overlay}" >"${release}/infrastructure-components.yaml"

cp metadata.yaml "${release}/"
cp config/in-place-updates/extension_config.yaml "${release}/in-place-updates.yaml"
find templates -maxdepth 1 -name '*.yaml' -exec cp -t "${release}" {} +

echo "${release}"
