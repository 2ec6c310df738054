// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// addMachines adds what is placed: the cluster's other machines, which the machine is spread among,
// and what machines of all clusters use of the accounts or have reserved.
func (r *Reconciler) addMachines(ctx context.Context, s *scope, facts *placement.Facts) error {
	if err := r.seeAll(ctx); err != nil {
		return err
	}
	r.fleet.tell(facts, client.ObjectKeyFromObject(s.own), client.ObjectKeyFromObject(s.cluster))
	for i := range facts.Accounts {
		if err := r.addStrays(ctx, s, &facts.Accounts[i]); err != nil {
			return err
		}
	}
	return nil
}

// watchFleet has the manager's watch keep the fleet up to date. It sees all machines, those with
// another watch label included.
func (r *Reconciler) watchFleet(ctx context.Context, mgr manager.Manager) error {
	informer, err := mgr.GetCache().GetInformer(ctx, &infrav1.OCIMeshMachine{})
	if err != nil {
		return fmt.Errorf("watching the machines: %w", err)
	}
	see := func(object any) {
		if machine, ok := object.(*infrav1.OCIMeshMachine); ok {
			r.fleet.see(machine)
		}
	}
	r.fleetWatch, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    see,
		UpdateFunc: func(_, object any) { see(object) },
		DeleteFunc: func(object any) {
			if name, err := toolscache.DeletionHandlingObjectToName(object); err == nil {
				r.fleet.forget(client.ObjectKey{Namespace: name.Namespace, Name: name.Name})
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching the machines: %w", err)
	}
	return nil
}

// seeAll looks at all machines where no watch shows them. With one it waits until its first list is
// taken in, which is about to happen when a controller begins to work: a decision before that could
// exceed a budget.
func (r *Reconciler) seeAll(ctx context.Context) error {
	if r.fleetWatch != nil {
		if !toolscache.WaitForCacheSync(ctx.Done(), r.fleetWatch.HasSynced) {
			return fmt.Errorf("waiting for the list of machines: %w", context.Cause(ctx))
		}
		return nil
	}
	all := &infrav1.OCIMeshMachineList{}
	if err := r.Client.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the machines: %w", err)
	}
	present := map[client.ObjectKey]bool{}
	for i := range all.Items {
		present[client.ObjectKeyFromObject(&all.Items[i])] = true
		r.fleet.see(&all.Items[i])
	}
	r.fleet.keepOnly(present)
	return nil
}

// addStrays adds what instances with a machine's or a machine pool's tag use that no machine counts
// for: those of a machine that lost its status, of another manager, or of a pool. They count for
// the budget.
func (r *Reconciler) addStrays(ctx context.Context, s *scope, account *placement.Account) error {
	if account.Budget.Families == nil && account.Budget.VolumeGB == nil {
		return nil
	}
	of := &infrav1.OCIAccount{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: account.Name}, of); err != nil {
		return fmt.Errorf("reading OCIAccount %s: %w", account.Name, err)
	}
	own := s.owner.Mark()
	for _, seen := range r.Pollers.Book(of).Uncounted(func(mark ownership.Mark) placement.Size { return r.fleet.counted(account.Name, mark) }) {
		if ownership.MachineIn(seen.Tags) == own {
			continue
		}
		use := useOf(seen.Instance, false)
		use.Size = seen.Size
		account.Used = append(account.Used, use)
	}
	return nil
}

// useOf is what an instance uses.
func useOf(seen oci.Instance, others bool) placement.Use {
	return placement.Use{
		AvailabilityDomain: seen.AvailabilityDomain, Family: placement.Family(seen.Shape), Others: others,
		Size: placement.SizeOf(seen.OCPUs, seen.MemoryGB),
	}
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
