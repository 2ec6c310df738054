// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package vip gives control-plane addresses out of a Tailnet's range, one to each cluster and never
// one to two.
//
// The list in Tailnet.status.vipAllocations is the lock: an address is taken by an update that
// fails if anybody else has changed the Tailnet since it was read, in this process or in another.
// Status can be lost (clusterctl move, restore); what a cluster was given is in its spec too, and
// addresses in specs count as taken.
package vip

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// maxAllocations is the API's limit of the list.
const maxAllocations = 1024

// Ledger reads and writes allocations.
type Ledger struct {
	// Client writes.
	Client client.Client
	// Reader reads without a cache: a stale list of clusters would give an address out twice.
	Reader client.Reader
	// Allowed tells whether clusters of a namespace may use the tailnet. Those that may not have no
	// effect on others.
	Allowed func(ctx context.Context, tailnet *infrav1.Tailnet, namespace string) (bool, error)
	// Routed tells whether the tailnet leads to a device for the address already: another
	// management cluster may have given it out. Nil if nobody looked; only Allocate asks.
	Routed func(address netip.Addr) bool
}

// Allocate returns the cluster's address in the tailnet: the one it already has, or the lowest free
// one. Problems: VIPRangeMissing, VIPRangeExhausted, VIPRangeOverlap.
func (l Ledger) Allocate(ctx context.Context, tailnet string, cluster *infrav1.OCIMeshCluster) (string, error) {
	var address string
	err := l.change(ctx, tailnet, func(tn *infrav1.Tailnet, clusters []infrav1.OCIMeshCluster) (bool, error) {
		for _, held := range tn.Status.VIPAllocations {
			if Holds(held, cluster) {
				address = held.Address
				return false, nil
			}
		}
		contenders, err := l.contenders(ctx, tn)
		if err != nil {
			return false, err
		}
		if problem := Contested(tn, contenders); problem != nil {
			return false, problem
		}
		free, err := l.lowestFree(tn, clusters, contenders)
		if err != nil {
			return false, err
		}
		address = free
		tn.Status.VIPAllocations = append(tn.Status.VIPAllocations, allocation(cluster, free))
		return true, nil
	})
	if err != nil {
		// What was picked belongs to nobody until it is written.
		return "", err
	}
	return address, nil
}

// Release gives the cluster's address back. A Tailnet that is gone holds none.
func (l Ledger) Release(ctx context.Context, tailnet string, cluster *infrav1.OCIMeshCluster) error {
	err := l.change(ctx, tailnet, func(tn *infrav1.Tailnet, _ []infrav1.OCIMeshCluster) (bool, error) {
		before := len(tn.Status.VIPAllocations)
		tn.Status.VIPAllocations = slices.DeleteFunc(tn.Status.VIPAllocations, func(a infrav1.VIPAllocation) bool {
			return Holds(a, cluster)
		})
		return len(tn.Status.VIPAllocations) < before, nil
	})
	return client.IgnoreNotFound(err)
}

// Audit brings the list in line with the clusters that there are: allocations of clusters that are
// gone are dropped, and those that specs show and the list does not are entered. It tells whether
// anything had to be changed.
func (l Ledger) Audit(ctx context.Context, tailnet string) (changed bool, err error) {
	err = l.change(ctx, tailnet, func(tn *infrav1.Tailnet, clusters []infrav1.OCIMeshCluster) (bool, error) {
		audited := audit(tn, clusters)
		changed = !slices.Equal(audited, tn.Status.VIPAllocations)
		tn.Status.VIPAllocations = audited
		return changed, nil
	})
	return changed, err
}

// change reads the tailnet and the clusters that use it, and writes the tailnet's status if edit
// says so: all again if somebody else has written meanwhile.
func (l Ledger) change(ctx context.Context, tailnet string,
	edit func(*infrav1.Tailnet, []infrav1.OCIMeshCluster) (bool, error),
) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		// The tailnet before the clusters: whoever takes an address after this read makes the
		// update fail, and whoever has taken one before is in the list.
		tn := &infrav1.Tailnet{}
		if err := l.Reader.Get(ctx, client.ObjectKey{Name: tailnet}, tn); err != nil {
			return err
		}
		clusters, err := l.users(ctx, tn)
		if err != nil {
			return err
		}
		write, err := edit(tn, clusters)
		if err != nil || !write {
			return err
		}
		if err := l.Client.Status().Update(ctx, tn); err != nil {
			if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
				return err
			}
			return fmt.Errorf("writing the allocations of Tailnet %s: %w", tailnet, err)
		}
		return nil
	})
}

// users are the clusters that count: those that may use the tailnet, and those that hold an address
// from when they might.
func (l Ledger) users(ctx context.Context, tn *infrav1.Tailnet) ([]infrav1.OCIMeshCluster, error) {
	all := &infrav1.OCIMeshClusterList{}
	if err := l.Reader.List(ctx, all); err != nil {
		return nil, fmt.Errorf("listing OCIMeshClusters: %w", err)
	}
	var users []infrav1.OCIMeshCluster
	for i := range all.Items {
		cluster := &all.Items[i]
		if cluster.Spec.TailnetRef.Name != tn.Name {
			continue
		}
		counts := HoldsAny(tn, cluster)
		if !counts {
			var err error
			if counts, err = l.Allowed(ctx, tn, cluster.Namespace); err != nil {
				return nil, err
			}
		}
		if counts {
			users = append(users, *cluster)
		}
	}
	return users, nil
}

// contenders are read without a cache: an object that it does not show yet may give the same
// address out.
func (l Ledger) contenders(ctx context.Context, tn *infrav1.Tailnet) ([]infrav1.Tailnet, error) {
	all := &infrav1.TailnetList{}
	if err := l.Reader.List(ctx, all); err != nil {
		return nil, fmt.Errorf("listing Tailnets: %w", err)
	}
	return Contenders(tn, all.Items), nil
}

// Holds tells whether an address is the cluster's. The UID alone would not do: users can write it
// into an annotation.
func Holds(held infrav1.VIPAllocation, cluster *infrav1.OCIMeshCluster) bool {
	return held.UID == identity.Of(cluster) && held.Namespace == cluster.Namespace && held.Name == cluster.Name
}

// HoldsAny tells whether the cluster holds an address of the tailnet.
func HoldsAny(tn *infrav1.Tailnet, cluster *infrav1.OCIMeshCluster) bool {
	return slices.ContainsFunc(tn.Status.VIPAllocations, func(held infrav1.VIPAllocation) bool { return Holds(held, cluster) })
}

func allocation(cluster *infrav1.OCIMeshCluster, address string) infrav1.VIPAllocation {
	return infrav1.VIPAllocation{
		Address: address, Namespace: cluster.Namespace, Name: cluster.Name, UID: identity.Of(cluster),
	}
}

// audit returns the allocations that should be there, sorted by address.
func audit(tn *infrav1.Tailnet, clusters []infrav1.OCIMeshCluster) []infrav1.VIPAllocation {
	taken := map[string]bool{}
	var audited []infrav1.VIPAllocation
	for _, held := range tn.Status.VIPAllocations {
		if slices.ContainsFunc(clusters, func(c infrav1.OCIMeshCluster) bool { return Holds(held, &c) }) {
			audited, taken[held.Address] = append(audited, held), true
		}
	}
	vips, _ := netip.ParsePrefix(tn.Spec.VIPRange)
	claims := map[string]int{}
	for i := range clusters {
		claims[inSpec(&clusters[i], vips)]++
	}
	for i := range clusters {
		// If the list was lost, nobody can tell whose an address is that several write into their
		// specs: who holds it would take it from the others' control planes, which go on with it as
		// long as nobody does.
		address := inSpec(&clusters[i], vips)
		if address != "" && !taken[address] && claims[address] == 1 && len(audited) < maxAllocations {
			audited, taken[address] = append(audited, allocation(&clusters[i], address)), true
		}
	}
	slices.SortFunc(audited, func(a, b infrav1.VIPAllocation) int {
		left, _ := netip.ParseAddr(a.Address)
		right, _ := netip.ParseAddr(b.Address)
		return cmp.Or(left.Compare(right), cmp.Compare(a.UID, b.UID))
	})
	return audited
}

// inSpec is the cluster's address of the range, as its spec has it; empty if there is none.
func inSpec(cluster *infrav1.OCIMeshCluster, vips netip.Prefix) string {
	address, err := netip.ParseAddr(cluster.Spec.ControlPlaneEndpoint.Host)
	if err != nil || !cluster.Spec.EndpointType.HasVIP() || !vips.Contains(address) {
		return ""
	}
	return address.String()
}

func (l Ledger) lowestFree(tn *infrav1.Tailnet, clusters []infrav1.OCIMeshCluster, contenders []infrav1.Tailnet) (string, error) {
	if tn.Spec.VIPRange == "" {
		return "", access.NewProblem(infrav1.VIPRangeMissingReason,
			"Tailnet %s has no vipRange: set it, or use endpointType External", tn.Name)
	}
	vips, err := netip.ParsePrefix(tn.Spec.VIPRange)
	if err != nil {
		return "", fmt.Errorf("the vipRange of Tailnet %s: %w", tn.Name, err)
	}
	taken := map[string]bool{}
	for _, held := range tn.Status.VIPAllocations {
		taken[held.Address] = true
	}
	for i := range clusters {
		taken[inSpec(&clusters[i], vips)] = true
	}
	// The first address names the network and the last one is for broadcasts: some systems refuse
	// them as hosts.
	address := vips.Masked().Addr().Next()
	for next := address.Next(); vips.Contains(next) && len(tn.Status.VIPAllocations) < maxAllocations; address, next = next, next.Next() {
		if !taken[address.String()] && !HeldIn(contenders, address.String()) && (l.Routed == nil || !l.Routed(address)) {
			return address.String(), nil
		}
	}
	return "", access.NewProblem(infrav1.VIPRangeExhaustedReason,
		"All addresses of the vipRange %s of Tailnet %s are taken: delete clusters, or use another Tailnet object with its own range",
		vips, tn.Name)
}
