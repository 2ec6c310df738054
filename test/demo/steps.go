// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	oldVersion = "v1.36.2"
	newVersion = "v1.37.1"

	controlPlanes = 3
	workers       = 1
	moreWorkers   = 2

	lessMemory, moreMemory = 8, 12
)

// step is one part of the demo.
type step struct {
	name string
	run  func(*demo, context.Context) error
	// unlessKept leaves the step out with KEEP=1.
	unlessKept bool
}

var steps = []step{
	{name: "Build the provider, its release and the programs it runs with", run: (*demo).build},
	{name: "Start four Always Free tenancies, two others, one of them nearly full, and a tailnet", run: (*demo).startClouds},
	{name: "Start the management cluster: Cluster API and this provider", run: (*demo).startManagement},
	{name: "Give it the accounts and the tailnet", run: (*demo).createAccounts},
	{name: fmt.Sprintf("Create a cluster: %d control planes, %d worker, an account full with each", controlPlanes, workers), run: (*demo).createCluster},
	{name: fmt.Sprintf("Create a second cluster behind a network load balancer, and change tags and memory, %d to %d GB, "+
		"of the first one's machines in place meanwhile", lessMemory, moreMemory), run: (*demo).changeBesideEdge, unlessKept: true},
	{name: "Stop a control plane's instance, as Oracle does with idle ones", run: (*demo).stopInstance, unlessKept: true},
	{name: fmt.Sprintf("Scale the second cluster's control plane to %d and the first one's workers to %d", controlPlanes, moreWorkers),
		run: (*demo).scaleBoth, unlessKept: true},
	{name: fmt.Sprintf("Terminate a worker's instance behind the provider's back; add a machine pool of %d meanwhile, scale it to %d and to %d",
		poolSizes[0], poolSizes[1], poolSizes[2]), run: (*demo).loseInstanceBesidePool, unlessKept: true},
	{name: "Upgrade the first cluster's control plane from " + oldVersion + " to " + newVersion + " in place", run: (*demo).upgrade, unlessKept: true},
	{name: "Delete both clusters", run: (*demo).deleteClusters, unlessKept: true},
	{name: "Look for anything left behind", run: (*demo).proveNothingLeft, unlessKept: true},
}

// The limit of a step's time, on a busy machine with two cores.
const (
	readyTimeout   = time.Minute
	createTimeout  = 4 * time.Minute
	scaleTimeout   = 2 * time.Minute
	replaceTimeout = 3 * time.Minute
	changeTimeout  = 4 * time.Minute
	upgradeTimeout = 6 * time.Minute
	deleteTimeout  = 3 * time.Minute
)

func (d *demo) createCluster(ctx context.Context) error {
	if err := d.applyTemplate(ctx); err != nil {
		return err
	}
	err := d.waitFor(ctx, createTimeout, func(s watch.Snapshot) string {
		if n := len(s.AccountsOf(watch.ControlPlane)); n < controlPlanes && s.Complete(controlPlanes, workers, oldVersion) == "" {
			return fmt.Sprintf("control planes in %d accounts (now in %d)", controlPlanes, n)
		}
		return s.Complete(controlPlanes, workers, oldVersion)
	})
	d.recordSpread("created")
	return err
}

func (d *demo) scaleWorkers(ctx context.Context) error {
	if err := d.setWorkers(ctx, moreWorkers); err != nil {
		return err
	}
	err := d.waitFor(ctx, scaleTimeout, func(s watch.Snapshot) string { return s.Complete(controlPlanes, moreWorkers, oldVersion) })
	d.recordSpread("scaled")
	return err
}

// scaleBoth waits for the first cluster alone: the second one's machines come while it goes on.
func (d *demo) scaleBoth(ctx context.Context) error {
	if err := d.scaleEdge(ctx); err != nil {
		return err
	}
	return d.scaleWorkers(ctx)
}

// loseInstanceBesidePool does something else while a Machine is replaced: Cluster API looks at an
// unhealthy one every quarter of a minute.
func (d *demo) loseInstanceBesidePool(ctx context.Context) error {
	victim, err := d.last.AWorker()
	if err != nil {
		return err
	}
	d.screen.Note(fmt.Sprintf("terminating %s of Machine %s in account %s", short(victim.Instance), victim.Name, victim.Account))
	if err := d.oci.TerminateInstance(victim.Instance); err != nil {
		return err
	}
	if err := d.resizePool(ctx); err != nil {
		return err
	}
	err = d.waitFor(ctx, replaceTimeout, func(s watch.Snapshot) string {
		if s.Has(victim.Name) {
			return "Machine " + victim.Name + " to be remediated"
		}
		return s.Complete(controlPlanes, moreWorkers, oldVersion)
	})
	d.recordSpread("replaced")
	return err
}

func (d *demo) upgrade(ctx context.Context) error {
	err := d.keepingInstances(func() error {
		if err := user.UpgradeControlPlane(ctx, d.client, d.last.ControlPlane, newVersion); err != nil {
			return err
		}
		return d.waitFor(ctx, upgradeTimeout, func(s watch.Snapshot) string { return s.Complete(controlPlanes, moreWorkers, newVersion) })
	})
	d.recordSpread("upgraded")
	return err
}

func (d *demo) deleteClusters(ctx context.Context) error {
	if err := d.awaitEdge(ctx, controlPlanes); err != nil {
		return err
	}
	for _, cluster := range []*clusterv1.Cluster{d.last.Cluster, d.edge.Cluster} {
		if err := d.client.Delete(ctx, cluster); err != nil {
			return fmt.Errorf("delete Cluster %s: %w", cluster.Name, err)
		}
	}
	for _, of := range []string{namespace, edgeNamespace} {
		err := d.waitIn(ctx, of, deleteTimeout, func(s watch.Snapshot) string {
			if s.Empty() {
				return ""
			}
			return "the Cluster in namespace " + of + " and what belongs to it to be gone"
		})
		if err != nil {
			return err
		}
	}
	return d.deleteRest(ctx)
}
