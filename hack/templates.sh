#!/usr/bin/env bash
# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Makes the cluster templates in templates/ from the parts in templates/src: every flavor is a list
# of parts, so that what is common is written once. `hack/templates.sh [DIR]` writes to DIR instead.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
src=$root/templates/src
out=${1:-$root/templates}

# embed DEPTH FILE writes a file of config/observability as it has to stand in a chart's values, so
# that clusterctl and Helm leave alone what is Prometheus' and Grafana's: their ${NAME} and
# {{NAME}}. JSON has other words for both. Rules are evaluated once, by the add-on provider; a
# dashboard also by the chart.
embed() {
  case $2 in
    *.json) sed -e 's/^ *//' "$root/$2" | tr -d '\n' | sed -e 's/\$/\\u0024/g' -e 's/{{/{\\u007b/g' -e "s/^/$1/"; echo ;;
    *) sed -e '1,/^  groups:$/d' -e "s/{{[^}]*}}/{{ \"&\" }}/g" -e "s/^  /$1/" "$root/$2" ;;
  esac
}

# expand writes a part with the files that its lines "@embed FILE" name.
expand() {
  local line
  while IFS= read -r line; do
    case $line in
      *' @embed '*) embed "${line%%@*}" "${line#*@embed }" ;;
      *) printf '%s\n' "$line" ;;
    esac
  done
}

# assemble FILE PART... joins the parts into one stream of documents under a single header.
assemble() {
  local file=$out/$1 part separator=""
  shift
  {
    printf '# Copyright The CAPOM Authors.\n# SPDX-License-Identifier: Apache-2.0\n'
    printf '# Made from templates/src by hack/templates.sh; change the parts there.\n'
    for part in "$@"; do
      printf '%s' "$separator"
      grep -vE '^# (Copyright|SPDX)' "$src/$part.yaml" | expand
      separator=$'---\n'
    done
  } >"$file.new"
  mv "$file.new" "$file"
}

addons=(cilium metadata-policy)
health_checks=(health-check-control-plane health-check-workers)
assemble cluster-template.yaml cluster ocimeshcluster-three-accounts control-plane control-plane-machines workers worker-machines remediation "${health_checks[@]}" "${addons[@]}"
assemble cluster-template-always-free.yaml cluster ocimeshcluster-three-accounts control-plane-always-free \
  control-plane-machines workers-always-free worker-machines remediation-always-free health-checks-always-free "${addons[@]}"
assemble cluster-template-single-account.yaml cluster ocimeshcluster-one-account control-plane control-plane-machines workers worker-machines remediation "${health_checks[@]}" "${addons[@]}"
assemble cluster-template-tailnet-routes.yaml cluster ocimeshcluster-tailnet-routes control-plane control-plane-machines workers worker-machines remediation "${health_checks[@]}" "${addons[@]}"
assemble cluster-template-network-load-balancer.yaml cluster ocimeshcluster-network-load-balancer control-plane control-plane-machines workers worker-machines remediation "${health_checks[@]}" "${addons[@]}"
assemble cluster-template-machine-pool.yaml cluster ocimeshcluster-three-accounts control-plane control-plane-machines machine-pool remediation health-check-control-plane "${addons[@]}"
assemble cluster-template-topology.yaml cluster-topology "${addons[@]}"
assemble clusterclass-ocimesh.yaml clusterclass

# One control plane and one worker, whatever the command line says, and no MachineHealthChecks.
assemble cluster-template-development.yaml cluster ocimeshcluster-one-account control-plane control-plane-machines workers worker-machines "${addons[@]}"
# shellcheck disable=SC2016 # clusterctl's variables, not the shell's.
sed -i -e 's/\${CONTROL_PLANE_MACHINE_COUNT}/1/' -e 's/\${WORKER_MACHINE_COUNT}/1/' "$out/cluster-template-development.yaml"

# The same chart and policy for every cluster of a namespace that carries the label with this value.
# No name has an underscore, and no object of a cluster ends in -fleet: no cluster shares them.
assemble cilium-fleet.yaml "${addons[@]}"
# shellcheck disable=SC2016 # ${CLUSTER_NAME} is clusterctl's variable, not the shell's.
sed -i -e 's/\${CLUSTER_NAME}-\(.*\)/\1-fleet/' -e 's/\${CLUSTER_NAME}/all_clusters/' "$out/cilium-fleet.yaml"

# Prometheus, Alertmanager and Grafana for every cluster of a namespace that has another label.
assemble monitoring-fleet.yaml monitoring
