// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// watchJoins looks for devices, as a manager does, until the test ends.
func (b *bench) watchJoins(t *testing.T) {
	t.Helper()
	b.r.joins.Joined()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.r.joins.Watch(ctx, b.r.Client, b.r.Access, tailnetnode.JoinInterval(tick)) }()
	t.Cleanup(func() {
		cancel()
		NewWithT(t).Expect(<-ended).To(Succeed())
	})
}

// waits are the machines still to join.
func (b *bench) waits() []client.ObjectKey { return b.r.joins.Waiting() }

// instanceOf is the machine's instance.
func (b *bench) instanceOf(t *testing.T, id string) sim.Machine {
	t.Helper()
	for _, machine := range b.instances(t) {
		if machine.ID == id {
			return machine
		}
	}
	t.Fatalf("there is no instance %s", id)
	return sim.Machine{}
}

func TestAMachineIsLookedAtOnceItHasJoined(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.booter.setAsleep(true)
	own, other := b.machine(t, "worker"), b.machine(t, "other")
	b.until(t, own, func(g Gomega) { g.Expect(b.waits()).To(ConsistOf(client.ObjectKeyFromObject(own))) })
	b.until(t, other, func(g Gomega) { g.Expect(b.waits()).To(HaveLen(2)) })
	b.Reload(t, own)

	b.Control.SetUnreachable(true)
	b.watchJoins(t)
	b.booter.setAsleep(false)
	b.booter.Boot(t.Context(), b.instanceOf(t, own.Status.Instance.ID))
	b.Control.SetUnreachable(false)

	g.Eventually(b.r.joins.Joined()).WithTimeout(patience).Should(Receive(HaveField("Object", client.ObjectKeyFromObject(own))))
	g.Expect(b.waits()).To(ConsistOf(client.ObjectKeyFromObject(other)))
	b.untilProvisioned(t, own)

	b.delete(t, other)
	g.Expect(b.waits()).To(BeEmpty(), "what is gone is not waited for")
	b.delete(t, own)
	b.expectNothingLeft(t)
}

func TestADeviceThatIsNotTheMachinesOwnBringsOnePass(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.booter.setAsleep(true)
	own := b.machine(t, "worker")
	b.until(t, own, func(g Gomega) { g.Expect(b.waits()).To(HaveLen(1)) })
	c, err := b.Clients.TailnetClient(t.Context(), b.Tailnet)
	g.Expect(err).NotTo(HaveOccurred())
	key, err := c.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{helpers.ControlPlaneTag}})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = b.Control.Register(key.Secret.Reveal(), own.Status.Tailnet.Hostname)
	g.Expect(err).NotTo(HaveOccurred())
	b.watchJoins(t)
	g.Eventually(b.r.joins.Joined()).WithTimeout(patience).Should(Receive())

	b.until(t, own, func(g Gomega) { g.Expect(b.waits()).To(HaveLen(1)) })
	g.Consistently(b.r.joins.Joined(), 20*tailnetnode.JoinInterval(tick)+100*time.Millisecond).ShouldNot(Receive())
}

func TestPollsLeaveAnInstanceTimeUntilItsDeviceTellsThatItRuns(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	pace := instancecache.Pace{Rest: 24 * time.Hour, Progress: time.Hour}
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Instance.ID).NotTo(BeEmpty()) })
	account := b.Accounts[slices.IndexFunc(b.Accounts, func(a *infrav1.OCIAccount) bool { return a.Name == own.Status.Placement.Account })]
	cache := b.pollers.Cache(account)
	g.Expect(time.Until(cache.Next(pace))).To(BeNumerically(">", 2*time.Hour), "a boot is given four intervals")

	// No poll shows more than the launch did.
	eventually(g, func(g Gomega) {
		_, err := b.r.Reconcile(t.Context(), requestOf(own))
		g.Expect(err).NotTo(HaveOccurred())
		b.Reload(t, own)
		g.Expect(own.Status.Tailnet.DeviceID).NotTo(BeEmpty())
	})

	g.Expect(own.Status.Instance.State).To(Equal(string(oci.StateProvisioning)))
	g.Expect(time.Until(cache.Next(pace))).To(BeNumerically("<=", pace.Progress/5), "it is looked at next")
	b.untilProvisioned(t, own)
}

func TestALoadBalancersMachineIsPolledWhileItBoots(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBalancedBench(t, infrav1.EndpointNetworkLoadBalancer, helpers.WorldOptions{})
	own := b.machine(t, "cp", controlPlane)
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Instance.ID).NotTo(BeEmpty()) })

	g.Expect(b.pollers.Cache(b.Accounts[0]).JoiningSince(own.Status.Instance.ID)).To(BeZero())
}
