// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// neighbour is another namespace, which the account allows beside the bench's, with a cluster in
// another Tailnet object of the same coordination server: clusters of two vipRanges have two.
func (b *bench) neighbour(t *testing.T) *bench {
	t.Helper()
	world := *b.World
	world.Namespace = b.Environment.Namespace(t, nil)
	helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.AllowedNamespaces.List = append(account.Spec.AllowedNamespaces.List, world.Namespace)
	})
	world.Tailnet = helpers.NewTailnet(world.Namespace, b.TailnetCredentials, b.Control.URL(), "10.251.0.0/24")
	world.Tailnet.Spec.AllowedNamespaces.List = []string{world.Namespace}
	b.Create(t, world.Tailnet)
	b.SetReady(t, world.Tailnet, metav1.ConditionTrue, infrav1.ReadyReason, "")
	n := &bench{World: &world, r: b.r, pollers: b.pollers, booter: b.booter}
	n.cluster, n.infra = n.newCluster(t, "red", func(infra *infrav1.OCIMeshCluster) { infra.Spec.ControlPlaneEndpoint.Host = "10.251.0.1" })
	return n
}

// ofNamespace lists the machines of one namespace only, as a manager's cache does with --namespace.
type ofNamespace struct {
	client.Client
	namespace string
}

func (c ofNamespace) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if _, machines := list.(*infrav1.OCIMeshMachineList); machines {
		options = append(options, client.InNamespace(c.namespace))
	}
	return c.Client.List(ctx, list, options...)
}

func TestT1GetsNoDeviceThroughAnotherTailnetObjectOfTheServer(t *testing.T) {
	for name, alone := range map[string]bool{"one manager for both": false, "his namespace has a manager of its own": true} {
		t.Run(name, func(t *testing.T) { testT1GetsNoDevice(t, alone) })
	}
}

func testT1GetsNoDevice(t *testing.T, alone bool) {
	t.Helper()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.launchedAsleep(t)
	n := b.neighbour(t)
	if alone {
		n.r = b.reconciler()
		n.r.Client = ofNamespace{n.r.Client, n.Namespace}
	}
	forged := n.machine(t, own.Name)
	helpers.Update(t, b.Environment, forged, func(m *infrav1.OCIMeshMachine) {
		m.Annotations = map[string]string{infrav1.IdentityAnnotation: fmt.Sprintf("%s/%s/%s", m.Namespace, m.Name, own.UID)}
	})
	n.until(t, forged, func(g Gomega) {
		g.Expect(forged.Status.Instance.State).To(Equal("RUNNING"), "conditions: %v", forged.Status.Conditions)
	})
	g.Expect(forged.Status.Tailnet.Hostname).To(Equal(own.Status.Tailnet.Hostname))
	// His machine uses its key under another name, so that only the victim is called so.
	parsed, err := cloudinit.Parse(b.instanceOf(t, forged.Status.Instance.ID).UserData)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = b.Control.Register(string(parsed.AuthKey), "elsewise")
	g.Expect(err).NotTo(HaveOccurred())
	b.wake(t, own)

	n.settle(t, forged, 20)
	g.Expect(forged.Status.Tailnet.DeviceID).To(BeEmpty(), "before the victim has recorded its device")
	b.untilProvisioned(t, own)
	n.settle(t, forged, 20)
	g.Expect(forged.Status.Tailnet.DeviceID).To(BeEmpty(), "and after that")
	n.delete(t, forged)
	_, left := b.Device(own.Status.Tailnet.DeviceID)
	g.Expect(left).To(BeTrue())
}
