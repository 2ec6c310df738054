// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"net/netip"
	"slices"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// namedRange is a range of addresses, and what it is.
type namedRange struct {
	name   string
	prefix netip.Prefix
}

func (r namedRange) String() string { return r.name + " " + r.prefix.String() }

// ranges are a cluster's. What is no CIDR is left out: it is told where nodes' data are rendered.
type ranges struct{ pods, services, networks []namedRange }

func (r ranges) all() []namedRange { return slices.Concat(r.pods, r.services, r.networks) }

// meeting is the first pair of ranges that have addresses in common.
func meeting(one, other []namedRange) (a, b namedRange, found bool) {
	for _, a := range one {
		for _, b := range other {
			if a.prefix.Overlaps(b.prefix) {
				return a, b, true
			}
		}
	}
	return namedRange{}, namedRange{}, false
}

// rangesOf are the ranges of the pass's cluster.
func rangesOf(s *scope) ranges {
	found := rangesIn(s.infra, s.cluster)
	found.networks = nil
	for _, account := range s.infra.Spec.Accounts {
		found.networks = append(found.networks, networksOf(account, s.networkRanges(account.Name))...)
	}
	return found
}

// networkRanges are the ranges of the account's VCN and subnet, as this pass or an earlier one has
// seen them.
func (s *scope) networkRanges(account string) []netip.Prefix {
	for _, state := range s.accounts {
		if state.name == account {
			return state.network.Ranges
		}
	}
	return nil
}

// rangesIn are the ranges of any cluster, as its objects have them. What nodes hold of pods and
// services is in its status: users may change the Cluster afterwards. cluster is nil if there is
// none, or none that may be read.
func rangesIn(infra *infrav1.OCIMeshCluster, cluster *clusterv1.Cluster) ranges {
	pods, services := infra.Status.Ranges.Pods, infra.Status.Ranges.Services
	if !holdsRanges(infra) && cluster != nil {
		pods, services = cluster.Spec.ClusterNetwork.Pods.CIDRBlocks, cluster.Spec.ClusterNetwork.Services.CIDRBlocks
	}
	found := ranges{pods: named("the pod range", pods), services: named("the service range", services)}
	for _, account := range infra.Spec.Accounts {
		found.networks = append(found.networks, networksOf(account, lastState(infra, account.Name).network.Ranges)...)
	}
	return found
}

// networksOf are the account's: what is seen of a network, or else what is to be made.
func networksOf(account infrav1.ClusterAccount, seen []netip.Prefix) []namedRange {
	name := fmt.Sprintf("the VCN range of account %s,", account.Name)
	if managed := account.Network.Managed; managed != nil {
		return named(name, []string{managed.VCNCIDR})
	}
	var found []namedRange
	for _, prefix := range seen {
		found = append(found, namedRange{name, prefix})
	}
	return found
}

func named(name string, blocks []string) []namedRange {
	var found []namedRange
	for _, prefix := range cloud.Networks(blocks) {
		found = append(found, namedRange{name, prefix})
	}
	return found
}

// holdsRanges tells whether the status has what nodes hold.
func holdsRanges(infra *infrav1.OCIMeshCluster) bool {
	return isProvisioned(infra) && len(infra.Status.Ranges.Pods)+len(infra.Status.Ranges.Services) > 0
}

// recordRanges writes down what nodes will hold, as long as there can be none.
func recordRanges(s *scope) {
	if holdsRanges(s.infra) {
		return
	}
	network := s.cluster.Spec.ClusterNetwork
	s.infra.Status.Ranges = infrav1.ClusterRanges{
		Pods: recordable(network.Pods.CIDRBlocks), Services: recordable(network.Services.CIDRBlocks),
	}
}

// maxRanges is the API's limit.
const maxRanges = 16

func recordable(blocks []string) []string {
	var found []string
	for _, prefix := range cloud.Networks(blocks) {
		found = append(found, prefix.String())
	}
	return found[:min(maxRanges, len(found))]
}

// routesPods tells whether the tailnet carries routes to the cluster's pods.
func routesPods(infra *infrav1.OCIMeshCluster) bool {
	return infra.Spec.PodNetwork.Mode.OnTailnet()
}
