// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// changeInPlace changes machines in accounts that have no room for others.
func (d *demo) changeInPlace(ctx context.Context) error {
	return d.keepingInstances(func() error {
		templates, err := user.ChangeTemplates(ctx, d.client, d.last.ControlPlane, d.last.Deployment, "grown", func(spec *infrav1.OCIMeshMachineSpec) {
			spec.Tags = map[string]string{"team": "blue"}
			spec.Shapes[0].MemoryGB = moreMemory
		})
		if err != nil {
			return err
		}
		err = d.waitFor(ctx, changeTimeout, func(s watch.Snapshot) string {
			if missing, err := user.NotUpdated(ctx, d.client, namespace, templates); err != nil {
				return err.Error()
			} else if missing != "" {
				return missing
			}
			return s.Complete(controlPlanes, workers, oldVersion)
		})
		if err != nil {
			return err
		}
		return d.expectSize()
	})
}

// expectSize looks at OCI's side of the change.
func (d *demo) expectSize() error {
	own := slices.Collect(maps.Values(d.instanceIDs()))
	for _, account := range append(slices.Clone(freeAccounts), workerAccounts...) {
		machines, err := d.oci.Machines(account)
		if err != nil {
			return err
		}
		for _, m := range machines {
			if slices.Contains(own, m.ID) && (m.MemoryInGBs != moreMemory || m.FreeformTags["team"] != "blue") {
				return fmt.Errorf("instance %s has %g GB and the tags %v", short(m.ID), m.MemoryInGBs, m.FreeformTags)
			}
		}
	}
	return nil
}

// stopInstance stops an instance, and waits until the provider has started it again.
func (d *demo) stopInstance(ctx context.Context) error {
	victim, err := d.last.AControlPlane()
	if err != nil {
		return err
	}
	return d.keepingInstances(func() error {
		d.screen.Note(fmt.Sprintf("stopping %s of Machine %s in account %s", short(victim.Instance), victim.Name, victim.Account))
		started, _ := d.callsTo("InstanceAction")
		if err := d.oci.StopInstance(victim.Instance); err != nil {
			return err
		}
		return d.waitFor(ctx, replaceTimeout, func(s watch.Snapshot) string {
			if now, _ := d.callsTo("InstanceAction"); now == started || d.oci.InstanceState(victim.Instance) != "RUNNING" {
				return "Machine " + victim.Name + " to be started again"
			}
			return s.Complete(controlPlanes, workers, oldVersion)
		})
	})
}

// keepingInstances fails if the cluster has other instances afterwards, or had meanwhile.
func (d *demo) keepingInstances(change func() error) error {
	before, changes := d.instanceIDs(), d.instanceChanges()
	if err := change(); err != nil {
		return err
	}
	if !maps.Equal(before, d.instanceIDs()) || d.instanceChanges() != changes {
		return errors.New("the machines have other instances than before")
	}
	return nil
}

// instanceChanges counts launches and terminations in the accounts that are the first cluster's
// alone.
func (d *demo) instanceChanges() int {
	changes := 0
	for _, call := range d.oci.Calls() {
		changed := call.Operation == "LaunchInstance" || call.Operation == "TerminateInstance"
		if changed && call.Status < 300 && !slices.Contains(paidAccounts, call.Tenancy) {
			changes++
		}
	}
	return changes
}

func (d *demo) instanceIDs() map[string]string {
	ids := map[string]string{}
	for _, m := range d.last.Machines {
		ids[m.Name] = m.Instance
	}
	return ids
}
