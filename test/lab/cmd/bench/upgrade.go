// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const upgradeTimeout = 20 * time.Minute

// moments of an update in place, in order, each with the words by which it is known. A worker is
// asked for its packages first, and for the rest when it is drained.
var moments = []struct {
	name string
	is   func(updating) bool
}{
	{"CHOSEN", func(u updating) bool { return u.chosen }},
	{"FETCHED", func(u updating) bool { return u.past(fetched) }},
	{"ASKED", func(u updating) bool {
		return strings.HasPrefix(u.wanted, kit.NewVersion) && !strings.HasSuffix(u.wanted, "fetch")
	}},
	{"KUBEADM", func(u updating) bool { return u.past("working running kubeadm upgrade node") }},
	{"KUBELET", func(u updating) bool { return u.past("working installing kubelet") }},
	{"NODE DONE", func(u updating) bool { return u.past(nodeDone) }},
	{"DONE", func(u updating) bool { return u.done }},
}

// What an agent says, in order.
const (
	fetched  = "fetch done"
	nodeDone = "done"
)

var words = []string{"working fetching the packages", fetched, "working running kubeadm upgrade node", "working installing kubelet", nodeDone}

// updating is a machine at one moment: whether Cluster API has it updated, and what its Node is
// asked for and says.
type updating struct {
	wanted, said string
	chosen, done bool
}

// past tells whether the agent is as far as the words, or further.
func (u updating) past(step string) bool {
	said := strings.SplitN(u.said, " ", 3)
	return len(said) == 3 && said[0] == kit.NewVersion && slices.Contains(words, said[2]) &&
		slices.Index(words, said[2]) >= slices.Index(words, step)
}

// upgraded is how a machine got its version: the first sight of each moment, what its agent said
// last, and what a client of the API server saw from the first to the last.
type upgraded struct {
	watch.Machine
	at       []time.Time
	said     string
	observer *world.Observer
	seen     world.Availability
}

// upgrade installs a patch in place in accounts without room for another machine: on the control
// planes, one after the other, and then on the workers.
func (b *bench) upgrade(ctx context.Context) error {
	c, err := b.cluster(ctx, world.ClusterOptions{
		Name: "upgrade", Flavor: "always-free", Version: kit.OldVersion, ControlPlanes: 3, Workers: 2, Installed: true,
		Variables: []string{"OCIMESH_WORKER_MEMORY_GB=8"}, Change: world.ForUpdatesInPlace,
	})
	if err != nil {
		return err
	}
	if err := b.world.Fill(); err != nil {
		return err
	}
	before := b.world.OCI.CallCounts("")
	s, err := c.Snapshot(ctx)
	if err != nil {
		return err
	}
	var all []*upgraded
	for _, of := range []struct {
		role watch.Role
		ask  func() error
	}{
		{watch.ControlPlane, func() error { return user.UpgradeControlPlane(ctx, b.world.Client, s.ControlPlane, kit.NewVersion) }},
		{watch.Worker, func() error { return user.UpgradeWorkers(ctx, b.world.Client, s.Deployment, kit.NewVersion) }},
	} {
		fmt.Fprintf(os.Stderr, "%s to %s: each %s ...\n", kit.OldVersion, kit.NewVersion, of.role)
		machines, err := b.follow(ctx, c, slices.DeleteFunc(slices.Clone(s.Machines), func(m watch.Machine) bool { return m.Role != of.role }), of.ask)
		if err != nil {
			return err
		}
		all = append(all, machines...)
	}
	after := b.world.OCI.CallCounts("")
	printUpgrade(all)
	fmt.Printf("machines launched %d, terminated %d\n", after["LaunchInstance"]-before["LaunchInstance"], after["TerminateInstance"]-before["TerminateInstance"])
	return b.remove(ctx, c)
}

// follow asks for a version, and follows the machines until all have it, in the order in which they
// were chosen.
func (b *bench) follow(ctx context.Context, c *world.Cluster, machines []watch.Machine, ask func() error) ([]*upgraded, error) {
	all := make([]*upgraded, len(machines))
	for i, m := range machines {
		all[i] = &upgraded{Machine: m, at: make([]time.Time, len(moments))}
	}
	if err := ask(); err != nil {
		return nil, err
	}
	err := b.world.WaitFor(ctx, upgradeTimeout, func(ctx context.Context) string {
		missing := ""
		for _, u := range all {
			if err := b.look(ctx, c, u); err != nil {
				missing = err.Error()
			}
			if last := u.at[len(moments)-1]; last.IsZero() {
				missing = u.Name + " to have " + kit.NewVersion
			}
		}
		return missing
	})
	for _, u := range all {
		if u.observer != nil {
			u.seen = u.observer.Stop()
		}
	}
	slices.SortFunc(all, func(a, b *upgraded) int { return a.at[0].Compare(b.at[0]) })
	return all, err
}

// look notes the moments that a machine has come to.
func (b *bench) look(ctx context.Context, c *world.Cluster, u *upgraded) error {
	if !u.at[len(moments)-1].IsZero() {
		return nil
	}
	machine := &clusterv1.Machine{}
	if err := b.world.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: u.Name}, machine); err != nil {
		return err
	}
	_, chosen := machine.Annotations[clusterv1.UpdateInProgressAnnotation]
	now := updating{chosen: chosen, done: !chosen && !u.at[0].IsZero() && machine.Spec.Version == kit.NewVersion}
	// While nobody answers, what the Node says is not known.
	if nodes, err := c.Nodes(ctx); err == nil {
		for _, node := range nodes {
			if node.Name == machine.Status.NodeRef.Name {
				now.wanted, now.said = node.Annotations[infrav1.WantedVersionsAnnotation], node.Annotations[infrav1.ReportedVersionsAnnotation]
			}
		}
	}
	if now.said != "" && now.said != u.said {
		fmt.Fprintf(os.Stderr, "%s  %s: %s\n", time.Now().Format(time.TimeOnly), u.Name, now.said)
		u.said = now.said
	}
	for i, moment := range moments {
		if u.at[i].IsZero() && moment.is(now) {
			u.at[i] = time.Now()
		}
	}
	var err error
	if chosen && u.observer == nil {
		u.observer, err = c.Observe(ctx)
	}
	if now.done && u.observer != nil {
		u.seen, u.observer = u.observer.Stop(), nil
	}
	return err
}

func printUpgrade(all []*upgraded) {
	fmt.Printf("\nA patch in place, %s to %s, in accounts without room: seconds after the machine was chosen, and what a client\n"+
		"that asks five times a second saw of the API server meanwhile\n", kit.OldVersion, kit.NewVersion)
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprint(table, "MACHINE\tCHOSEN")
	for _, moment := range moments[1:] {
		fmt.Fprintf(table, "\t%s", moment.name)
	}
	fmt.Fprint(table, "\tFAILED REQUESTS\tLONGEST OUTAGE\n")
	for _, u := range all {
		fmt.Fprintf(table, "%s\t+%.0f s", u.Role, u.at[0].Sub(all[0].at[0]).Seconds())
		for _, at := range u.at[1:] {
			if at.IsZero() {
				fmt.Fprint(table, "\t-")
				continue
			}
			fmt.Fprintf(table, "\t%.0f s", at.Sub(u.at[0]).Seconds())
		}
		fmt.Fprintf(table, "\t%d of %d\t%.1f s\n", u.seen.Failed, u.seen.Asked, u.seen.Longest.Seconds())
	}
	_ = table.Flush()
}
