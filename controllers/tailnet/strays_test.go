// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"cmp"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/strays"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// fixture is a tailnet whose time passes with each look.
type fixture struct {
	*helpers.World
	r      *Reconciler
	events *events.FakeRecorder
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	w := &fixture{}
	w.World, w.r = newWorld(t, tailnetsim.Tailscale)
	w.restart()
	return w
}

// restart is a new process: nothing that was seen is known any more.
func (w *fixture) restart() {
	w.events = events.NewFakeRecorder(100)
	w.r = &Reconciler{Client: env.Client, Reader: env.Client, Clients: w.Clients, Recorder: w.events, Options: Options{StrayAfter: time.Nanosecond}}
}

// look reconciles as often as a stray must be seen, and once more for the finalizer.
func (w *fixture) look(t *testing.T) {
	t.Helper()
	reconciled(t, w.r, w.Tailnet)
	reconciled(t, w.r, w.Tailnet)
}

func (w *fixture) expect(t *testing.T, want string, devices, keys int) {
	t.Helper()
	helpers.ExpectConditions(t, w.Tailnet, "Ready True Ready", "CredentialsValid True Ready", "PolicyReady Unknown PolicyNotReadable",
		"StraysAbsent "+want, "RangesDistinct True Ready", "Deleting False NotDeleting")
	g := NewWithT(t)
	g.Expect(w.Tailnet.Status.Strays.DeviceCount).To(HaveValue(BeEquivalentTo(devices)))
	g.Expect(w.Tailnet.Status.Strays.Devices).To(HaveLen(min(devices, strays.Named)))
	g.Expect(w.Tailnet.Status.Strays.KeyCount).To(HaveValue(BeEquivalentTo(keys)))
	g.Expect(w.Tailnet.Status.Strays.Keys).To(HaveLen(min(keys, strays.Named)))
}

// key makes a key behind everybody's back.
func (w *fixture) key(t *testing.T, tag, description string) tailnet.Key {
	t.Helper()
	g := NewWithT(t)
	c, err := w.Clients.TailnetClient(t.Context(), w.Tailnet)
	g.Expect(err).NotTo(HaveOccurred())
	key, err := c.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{tag}, Description: description})
	g.Expect(err).NotTo(HaveOccurred())
	return key
}

// join has a device join.
func (w *fixture) join(t *testing.T, hostname, tag string) string {
	t.Helper()
	device, err := w.Control.Register(w.key(t, tag, "by hand").Secret.Reveal(), hostname)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return device.ID
}

// cluster makes a Cluster that uses a Tailnet.
func (w *fixture) cluster(t *testing.T, tailnetName string, paused bool) *clusterv1.Cluster {
	t.Helper()
	cluster := helpers.NewCluster(w.Namespace, "c1", func(c *clusterv1.Cluster) { c.Spec.Paused = ptr.To(paused) })
	w.Create(t, cluster)
	w.Create(t, helpers.NewOCIMeshCluster(cluster, tailnetName, w.AccountNames()))
	return cluster
}

// machine makes an OCIMeshMachine of the cluster that has recorded the device.
func (w *fixture) machine(t *testing.T, cluster *clusterv1.Cluster, name, identity, device string) {
	t.Helper()
	machine := &infrav1.OCIMeshMachine{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.Namespace, Name: name, Labels: map[string]string{clusterv1.ClusterNameLabel: cluster.Name},
			Annotations: map[string]string{infrav1.IdentityAnnotation: w.Namespace + "/" + name + "/" + identity},
		},
		Spec: infrav1.OCIMeshMachineSpec{
			Shapes: []infrav1.Shape{{Name: "VM.Standard.A1.Flex", OCPUs: 1, MemoryGB: 6}}, Image: infrav1.Image{Name: "node"},
		},
	}
	w.Create(t, machine)
	if device != "" {
		machine.Status.Tailnet.DeviceID = device
		NewWithT(t).Expect(w.Client.Status().Update(t.Context(), machine)).To(Succeed())
	}
}

// another makes a second Tailnet object.
func (w *fixture) another(t *testing.T, url string) *infrav1.Tailnet {
	t.Helper()
	other := helpers.NewTailnet(w.Namespace+"-2", w.TailnetCredentials, url, "10.251.0.0/24")
	w.Create(t, other)
	return other
}

// otherTag is somebody else's.
const otherTag = "tag:printer"

const (
	present  = "True Ready"
	stray    = "False StraysFound"
	possible = "Unknown Waiting"
)

// deviceWorld is a device in the tailnet, with what make makes beside it.
type deviceWorld struct {
	tag, hostname string
	make          func(t *testing.T, w *fixture, device string)
	want          string
}

// withoutRecord makes a paused cluster's machine that has lost its status.
func withoutRecord(t *testing.T, w *fixture, _ string) {
	w.machine(t, w.cluster(t, w.Tailnet.Name, true), "worker", "uid", "")
}

// deviceWorlds are who has recorded a device, and what is told of it.
var deviceWorlds = map[string]deviceWorld{
	"a machine has recorded it": {
		make: func(t *testing.T, w *fixture, device string) {
			w.machine(t, w.cluster(t, w.Tailnet.Name, false), "worker", "uid", device)
		},
		want: present,
	},
	"a pool machine has recorded it": {
		make: func(t *testing.T, w *fixture, device string) {
			w.poolMachine(t, w.cluster(t, w.Tailnet.Name, false), device)
		},
		want: present,
	},
	"a machine of another Tailnet of the same server has recorded it": {
		make: func(t *testing.T, w *fixture, device string) {
			w.machine(t, w.cluster(t, w.another(t, w.Control.URL()+"/").Name, false), "worker", "uid", device)
		},
		want: present,
	},
	"a machine of another Tailnet of the same server, which names the API's address, has recorded it": {
		make: func(t *testing.T, w *fixture, device string) {
			other := w.another(t, w.Control.URL())
			helpers.Update(t, env, other, func(tn *infrav1.Tailnet) { tn.Spec.APIURL = "https://api.headscale.example.com" })
			w.machine(t, w.cluster(t, other.Name, false), "worker", "uid", device)
		},
		want: present,
	},
	"a machine of another server's tailnet has a device of the same number": {
		make: func(t *testing.T, w *fixture, device string) {
			w.machine(t, w.cluster(t, w.another(t, "https://headscale.example.com").Name, false), "worker", "uid", device)
		},
		want: stray,
	},
	"nobody has recorded it":               {want: stray},
	"nobody has, and it is a controller's": {tag: helpers.ControlPlaneTag, want: stray},
	"it has other tags":                    {tag: otherTag, want: present},
	"it calls itself like a machine that has recorded another": {
		make: func(t *testing.T, w *fixture, _ string) {
			w.machine(t, w.cluster(t, w.Tailnet.Name, false), "worker", "uid", "another")
		},
		want: stray,
	},
	"a paused cluster's machine has lost its status, as in a move": {
		make:     withoutRecord,
		hostname: "worker-uid", want: possible,
	},
	"it has that machine's name with a number": {
		make:     withoutRecord,
		hostname: "worker-uid-1", want: possible,
	},
	"a paused cluster's pool machine has lost its status, as in a move": {
		make: func(t *testing.T, w *fixture, _ string) {
			w.poolMachine(t, w.cluster(t, w.Tailnet.Name, true), "")
		},
		hostname: "pool-1", want: possible,
	},
	"a paused cluster's machine has lost its status, and it is another's": {
		make: withoutRecord,
		want: stray,
	},
	"the paused cluster may not use the tailnet": {
		make: func(t *testing.T, w *fixture, _ string) {
			w.machine(t, w.cluster(t, w.Tailnet.Name, true), "worker", "uid", "")
			helpers.Update(t, env, w.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.AllowedNamespaces.List = []string{"another"} })
		},
		hostname: "worker-uid", want: stray,
	},
	"a machine has not joined and its cluster goes on": {
		make: func(t *testing.T, w *fixture, _ string) {
			w.machine(t, w.cluster(t, w.Tailnet.Name, false), "worker", "uid", "")
		},
		want: stray,
	},
	"a paused cluster has nothing to find again": {
		make: func(t *testing.T, w *fixture, _ string) {
			w.machine(t, w.cluster(t, w.Tailnet.Name, true), "worker", "uid", "another")
		},
		want: stray,
	},
}

func TestADeviceIsAStrayIfNoStatusHasRecordedIt(t *testing.T) {
	for name, world := range deviceWorlds {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			tag := world.tag
			if tag == "" {
				tag = helpers.NodeTag
			}
			NewWithT(t).Expect(w.Control.SetPolicy(map[string][]string{
				helpers.ProviderTag: nil, otherTag: {helpers.ProviderTag},
				helpers.NodeTag: {helpers.ProviderTag}, helpers.ControlPlaneTag: {helpers.ProviderTag},
			}, nil)).To(Succeed())
			device := w.join(t, cmp.Or(world.hostname, "worker-1"), tag)
			if world.make != nil {
				world.make(t, w, device)
			}

			w.look(t)

			count := 0
			if world.want == stray {
				count = 1
			}
			w.expect(t, world.want, count, 0)
			NewWithT(t).Expect(w.Control.Devices()).To(HaveLen(1), "nothing is removed")
		})
	}
}

func (w *fixture) poolMachine(t *testing.T, cluster *clusterv1.Cluster, device string) {
	t.Helper()
	machine := helpers.NewOCIMeshMachinePoolMachine(w.Namespace, "pool-1")
	machine.Labels = map[string]string{clusterv1.ClusterNameLabel: cluster.Name}
	w.Create(t, machine)
	if device == "" {
		return
	}
	machine.Status.Tailnet.DeviceID = device
	NewWithT(t).Expect(w.Client.Status().Update(t.Context(), machine)).To(Succeed())
}

func TestADeviceThatJustJoinedIsNotCountedYet(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	w.r.Options.StrayAfter = time.Hour
	reconciled(t, w.r, w.Tailnet)
	w.expect(t, present, 0, 0)
	device := w.join(t, "worker-1", helpers.NodeTag)

	w.look(t)
	w.look(t)
	w.expect(t, possible, 0, 0)

	w.r.Options.StrayAfter = time.Nanosecond
	w.Control.ResetCalls()
	reconciled(t, w.r, w.Tailnet)
	w.expect(t, stray, 1, 0)
	g.Expect(w.Control.CallCount(tailnetsim.OpListDevices)).To(Equal(2), "the check's list of each of two passes")
	g.Expect(w.Control.CallCount(tailnetsim.OpListKeys)).To(BeZero(), "keys are listed at full checks only")
	g.Expect(w.Tailnet.Status.Strays.Devices[0].ID).To(Equal(device))
	g.Expect(w.Tailnet.Status.Strays.Devices[0].Hostname).To(Equal("worker-1"))
	g.Expect(helpers.MessageOf(w.Tailnet, infrav1.StraysAbsentCondition)).To(And(
		ContainSubstring("headscale nodes delete --identifier "+device), ContainSubstring("another management cluster's")))
	g.Eventually(w.events.Events, time.Minute).Should(Receive(ContainSubstring("Warning StraysFound There is 1 device or key")))
	version := w.Tailnet.ResourceVersion
	reconciled(t, w.r, w.Tailnet)
	g.Expect(w.Tailnet.ResourceVersion).To(Equal(version), "what has not changed is not written")
	g.Expect(w.events.Events).NotTo(Receive(), "nor told")
}

// Two managers may share the Tailnet, and each write of the one wakes the other.
func TestAfterARestartTheTimeOfDevicesBeginsAnewAndStraysStay(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	w.join(t, "worker-1", helpers.NodeTag)
	reconciled(t, w.r, w.Tailnet)
	w.restart()
	reconciled(t, w.r, w.Tailnet)
	w.expect(t, possible, 0, 0)
	w.look(t)
	running, version := w.r, w.Tailnet.ResourceVersion
	w.restart()
	for range 4 {
		reconciled(t, w.r, w.Tailnet)
		reconciled(t, running, w.Tailnet)
	}
	w.expect(t, stray, 1, 0)
	g.Expect(w.Tailnet.ResourceVersion).To(Equal(version))
}

func TestAnObjectThatRecordsAStrayEndsIt(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	device := w.join(t, "worker-1", helpers.NodeTag)
	w.look(t)
	w.expect(t, stray, 1, 0)
	g.Eventually(w.events.Events, time.Minute).Should(Receive(ContainSubstring("StraysFound")))

	w.machine(t, w.cluster(t, w.Tailnet.Name, false), "worker", "uid", device)
	reconciled(t, w.r, w.Tailnet)

	w.expect(t, present, 0, 0)
	g.Eventually(w.events.Events, time.Minute).Should(Receive(ContainSubstring("StraysGone")))
}

func TestStraysStayAsTheyAreWhileTheServerDoesNotAnswer(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	w.join(t, "worker-1", helpers.NodeTag)
	w.look(t)
	w.expect(t, stray, 1, 0)

	w.Control.SetUnreachable(true)
	reconciled(t, w.r, w.Tailnet)

	helpers.ExpectConditions(t, w.Tailnet, "Ready False Unavailable", "CredentialsValid False Unavailable",
		"PolicyReady Unknown PolicyNotReadable", "StraysAbsent "+stray, "RangesDistinct True Ready", "Deleting False NotDeleting")
	g.Expect(w.Tailnet.Status.Strays.DeviceCount).To(HaveValue(BeEquivalentTo(1)))
}
