// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"math"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// addMachines adds what is placed: the cluster's other machines, which the machine is spread among, and what machines of all
// clusters use of the accounts or have reserved. A placement in a machine's status is a reservation, whether the instance is
// launched or not, until the machine is gone; the ledger has those that the cache does not show yet.
func (r *Reconciler) addMachines(ctx context.Context, s *scope, facts *placement.Facts) error {
	all := &infrav1.OCIMeshMachineList{}
	// Nothing is changed in what is read, and a copy of all machines for each decision would be the most costly part of it.
	if err := r.Client.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the machines: %w", err)
	}
	used := newUsages(facts.Accounts)
	known := map[string]bool{s.identity: true}
	for i := range all.Items {
		peer := &all.Items[i]
		if peer.Name == s.own.Name && peer.Namespace == s.own.Namespace {
			continue
		}
		where := r.ledger.get(client.ObjectKeyFromObject(peer))
		if written := peer.Status.Placement; where.Attempt <= written.Attempt {
			where = written
		} else if used.add(written, peer.Spec) {
			// It moves from one place to another, and until that is written it may be launched in either.
			known[identity.Of(peer)] = true
		}
		if where.Account == "" {
			continue
		}
		if used.add(where, peer.Spec) {
			known[identity.Of(peer)] = true
		}
		// For the spread, a machine that is on its way out has left.
		ofCluster := peer.Namespace == s.own.Namespace && peer.Labels[clusterv1.ClusterNameLabel] == s.cluster.Name
		if ofCluster && peer.DeletionTimestamp.IsZero() {
			facts.Placed = append(facts.Placed, placement.Placed{
				Group: groupOf(peer.Labels), Account: where.Account,
				AvailabilityDomain: where.AvailabilityDomain, FaultDomain: where.FaultDomain,
			})
		}
	}
	for i := range facts.Accounts {
		account := &facts.Accounts[i]
		account.Used = append(account.Used, used.of(account.Name)...)
		if err := r.addUnknown(ctx, account, known); err != nil {
			return err
		}
	}
	return nil
}

// addUnknown adds instances with a machine's tag that are of no machine in sight: of one that lost its status, or of another
// manager. They count for the budget.
func (r *Reconciler) addUnknown(ctx context.Context, account *placement.Account, known map[string]bool) error {
	if account.Budget.Families == nil && account.Budget.VolumeGB == nil {
		return nil
	}
	of := &infrav1.OCIAccount{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: account.Name}, of); err != nil {
		return fmt.Errorf("reading OCIAccount %s: %w", account.Name, err)
	}
	tagged, _ := r.Pollers.Book(of).Live()
	for _, seen := range tagged {
		if !known[seen.Tags[infrav1.MachineUIDTag]] {
			account.Used = append(account.Used, useOf(seen, false))
		}
	}
	return nil
}

// useOf is what an instance uses. A boot volume's size is not part of what lists show.
func useOf(seen oci.Instance, others bool) placement.Use {
	return placement.Use{
		AvailabilityDomain: seen.AvailabilityDomain, Family: placement.Family(seen.Shape), Others: others,
		Size: placement.Size{
			Instances: 1, OCPUs: int64(math.Ceil(seen.OCPUs)), MemoryGB: int64(math.Ceil(seen.MemoryGB)),
			VolumeGB: placement.DefaultBootVolumeGB,
		},
	}
}

// usages add up what machines use, by account, availability domain and family.
type usages map[string]map[placement.Use]placement.Size

func newUsages(accounts []placement.Account) usages {
	used := usages{}
	for _, account := range accounts {
		used[account.Name] = map[placement.Use]placement.Size{}
	}
	return used
}

// add tells whether the account is one of those that count.
func (u usages) add(where infrav1.Placement, spec infrav1.OCIMeshMachineSpec) bool {
	sums, counts := u[where.Account]
	if counts {
		key := placement.Use{AvailabilityDomain: where.AvailabilityDomain, Family: placement.Family(where.Shape)}
		sums[key] = sums[key].Plus(placement.ShapeNamed(spec, where.Shape).Size)
	}
	return counts
}

func (u usages) of(account string) []placement.Use {
	var out []placement.Use
	for use, size := range u[account] {
		use.Size = size
		out = append(out, use)
	}
	return out
}

// limitsOf are OCI's limits of the shapes' families, as the account's controller has read them.
func limitsOf(account *infrav1.OCIAccount, shapes []infrav1.Shape) []placement.Limit {
	var out []placement.Limit
	seen := map[string]bool{}
	for _, shape := range shapes {
		family := placement.Family(shape.Name)
		if seen[family] {
			continue
		}
		seen[family] = true
		for _, limit := range account.Status.Limits {
			found := placement.Limit{AvailabilityDomain: limit.AvailabilityDomain, Family: family}
			switch limit.Name {
			case placement.CoreLimit(family):
				found.OCPUs = limit.Value
			case placement.MemoryLimit(family):
				found.MemoryGB = limit.Value
			default:
				continue
			}
			out = append(out, found)
		}
	}
	return out
}
