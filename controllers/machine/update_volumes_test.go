// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func withData(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
	own.Spec.DataVolumes = []infrav1.DataVolume{
		{Name: "etcd", SizeGB: 50, MountPath: "/var/lib/etcd"}, {Name: "logs", SizeGB: 50, MountPath: "/logs"},
	}
}

func data(gb int32) func(*infrav1.OCIMeshMachineSpec) {
	return func(s *infrav1.OCIMeshMachineSpec) { s.DataVolumes[0].SizeGB = gb }
}

// nodeFills is what the node's agent writes of the volumes.
func (b *bench) nodeFills(t *testing.T, node *corev1.Node, report string) {
	t.Helper()
	b.Reload(t, node)
	before := node.DeepCopy()
	metav1.SetMetaDataAnnotation(&node.ObjectMeta, infrav1.ReportedVolumesAnnotation, report)
	NewWithT(t).Expect(b.Client.Patch(t.Context(), node, client.MergeFrom(before))).To(Succeed())
}

// dataGB are the sizes of the machine's data volumes by the last part of their names.
func (b *bench) dataGB(t *testing.T, own *infrav1.OCIMeshMachine) map[string]int64 {
	t.Helper()
	g := NewWithT(t)
	attached, err := b.client(t).AttachedVolumes(t.Context(), own.Status.Instance.ID, []string{"/dev/oracleoci/oraclevdb", "/dev/oracleoci/oraclevdc"})
	g.Expect(err).NotTo(HaveOccurred())
	sizes := map[string]int64{}
	for _, volume := range attached {
		sizes[volume.DisplayName[len(volume.DisplayName)-4:]] = volume.GB
	}
	return sizes
}

func TestVolumesGrowWhileTheMachineRunsUntilItsNodeHasFilledThem(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		fault            sim.Fault
		change           func(*infrav1.OCIMeshMachineSpec)
		resizes, volumes int
		boot, etcd       int32
	}{
		"a data volume":   {change: data(60), volumes: 1, boot: 50, etcd: 60},
		"the boot volume": {change: func(s *infrav1.OCIMeshMachineSpec) { s.BootVolume.SizeGB = 70 }, boot: 70, etcd: 50},
		"all, and then another size": {change: func(s *infrav1.OCIMeshMachineSpec) {
			s.BootVolume.SizeGB, s.DataVolumes[0].SizeGB, s.Shapes[0].MemoryGB = 70, 60, 12
		}, resizes: 1, volumes: 1, boot: 70, etcd: 60},
		"a lost answer": {
			fault:  sim.Fault{Operation: "UpdateVolume", AfterCommit: true, Reset: true},
			change: data(60), volumes: 1, boot: 50, etcd: 60,
		},
		"an answer that fails": {
			fault:  sim.Fault{Operation: "UpdateVolume", Status: 503, Code: "ServiceUnavailable"},
			change: data(60), volumes: 2, boot: 50, etcd: 60,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own, node := b.joined(t, withData)
			id := own.Status.Instance.ID
			if world.fault.Operation != "" {
				b.OCI.AddFault(world.fault)
			}

			b.updates(t, own, world.change)
			b.untilTold(t, own, "Updated False Updating", "Waiting for node "+node.Name+" to fill ")
			b.Reload(t, node)
			wanted := node.Annotations[infrav1.WantedVolumesAnnotation]
			g.Expect(wanted).To(ContainSubstring("/logs=50"))
			g.Expect(b.bootVolumeGB(t, own)).To(BeEquivalentTo(world.boot))
			g.Expect(b.dataGB(t, own)).To(Equal(map[string]int64{"etcd": int64(world.etcd), "logs": 50}))
			g.Expect(own.Status.Size.DataVolumesGB).To(Equal(world.etcd + 50))

			b.nodeFills(t, node, "/logs=50 failed /: no /var/lib/etcd: it is mounted from /dev/sdb1")
			b.untilTold(t, own, "Updated False NodeUpdateFailed", "it is mounted from /dev/sdb1")
			g.Expect(b.booter.stopped()).To(BeZero())

			b.nodeFills(t, node, wanted)
			b.untilUpdated(t, own)

			g.Expect(own.Status.Instance.ID).To(Equal(id))
			g.Expect(b.calls("InstanceAction")).To(BeZero())
			g.Expect(b.calls("LaunchInstance")).To(Equal(1))
			g.Expect(b.calls("UpdateVolume")).To(Equal(world.volumes))
			g.Expect(b.booter.stopped()).To(Equal(world.resizes))
			g.Expect(own.Status.Update).To(Equal(infrav1.UpdateStatus{}))
			b.done(t, own)
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

func TestAVolumeThatPeopleHaveLaidOutThemselvesHoldsNothingElseUp(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	recorder := events.NewFakeRecorder(100)
	b.r.Recorder = recorder
	own, node := b.joined(t, withData)
	b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.DataVolumes[0].SizeGB, s.Shapes[0].MemoryGB = 60, 12 })
	b.untilTold(t, own, "Updated False Updating", "Waiting for node "+node.Name+" to fill ")

	const why = "/var/lib/etcd: it is on /dev/sdb1, grow it by hand"
	b.nodeFills(t, node, "/=50 /var/lib/etcd=50:left /logs=50 failed "+why)
	b.untilTold(t, own, "Updated False NodeUpdateFailed", "does not fill /var/lib/etcd=60")
	b.nodeFills(t, node, "/=50 /var/lib/etcd=60:left /logs=50 failed "+why)
	b.untilUpdated(t, own)

	g.Expect(b.dataGB(t, own)).To(HaveKeyWithValue("etcd", int64(60)))
	g.Expect(b.instance(t, own.Status.Instance.ID).MemoryGB).To(BeEquivalentTo(12))
	told := ""
	for len(recorder.Events) > 0 {
		told += <-recorder.Events + "\n"
	}
	g.Expect(told).To(ContainSubstring("Warning VolumeNotFilled OCI has grown the volumes, but node " + node.Name + " leaves /var/lib/etcd=60 to be filled by hand: " + why))
}

func TestASizeThatChangesWhileVolumesGrowIsTheOneThatCounts(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node := b.joined(t, withData)
	b.updates(t, own, data(60))
	b.untilTold(t, own, "Updated False Updating", "Waiting for node")
	b.updates(t, own, data(70))
	b.nodeFills(t, node, "/=50 /var/lib/etcd=60 /logs=50")
	b.untilTold(t, own, "Updated False Updating", "to fill /var/lib/etcd=70")
	g.Expect(b.dataGB(t, own)).To(HaveKeyWithValue("etcd", int64(70)))
	g.Expect(own.Status.Size.DataVolumesGB).To(BeEquivalentTo(120))
	b.nodeFills(t, node, "/=50 /var/lib/etcd=70 /logs=50")
	b.untilUpdated(t, own)
}

func TestWhatOCIRefusesOfAVolumeIsToldAndTriedAgainLater(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node := b.joined(t, withData)
	b.OCI.AddFault(sim.Fault{Operation: "UpdateVolume", Status: 400, Code: "LimitExceeded", Message: "The following service limits were exceeded", Times: -1})
	b.updates(t, own, data(60))
	b.untilCondition(t, own, "Updated False LimitExceeded")
	b.until(t, own, func(g Gomega) {
		g.Expect(own.Status.Size.DataVolumesGB).To(BeEquivalentTo(100), "others may have the room")
	})
	calls := b.calls("UpdateVolume")
	b.settle(t, own, 3)
	g.Expect(b.calls("UpdateVolume")).To(Equal(calls))

	b.OCI.ClearFaults()
	b.sleep(updates.FirstRetry)
	b.untilTold(t, own, "Updated False Updating", "Waiting for node")
	b.nodeFills(t, node, "/=50 /var/lib/etcd=60 /logs=50")
	b.untilUpdated(t, own)
}

func TestTheBudgetBoundsAVolumesGrowth(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	own, node := b.joined(t, withData)
	limit := func(gb int32) {
		helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
			account.Spec.Budget = infrav1.AccountBudget{VolumeGB: ptr.To(gb)}
		})
	}
	limit(155)
	b.updates(t, own, data(60))
	b.untilCondition(t, own, "Updated False BudgetExceeded")
	g.Expect(b.calls("UpdateVolume")).To(BeZero())

	b.losesStatus(t, own)
	b.untilCondition(t, own, "Updated False BudgetExceeded")
	g.Expect(own.Status.Size).To(Equal(infrav1.MachineSizeStatus{OCPUs: 1, MemoryGB: 6, BootVolumeGB: 50, DataVolumesGB: 100}))

	own.Status.Size = infrav1.MachineSizeStatus{}
	g.Expect(b.Client.Status().Update(t.Context(), own)).To(Succeed())
	b.until(t, own, func(g Gomega) {
		g.Expect(own.Status.Size.DataVolumesGB).To(BeEquivalentTo(100), "what was refused is not granted")
	})
	b.untilCondition(t, own, "Updated False BudgetExceeded")

	limit(160)
	b.untilTold(t, own, "Updated False Updating", "Waiting for node")
	b.nodeFills(t, node, "/=50 /var/lib/etcd=60 /logs=50")
	b.untilUpdated(t, own)
}

func TestADataVolumeOfANodeWithoutTheAgentIsNotGrown(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "machine", aMachine, withData)
	b.untilProvisioned(t, own)
	b.updates(t, own, data(60))
	b.untilTold(t, own, "Updated False NodeUpdateFailed", "The data volume etcd is not grown in place, since the node has no agent to fill it")
	g.Expect(b.calls("UpdateVolume")).To(BeZero())
	g.Expect(own.Status.Update).To(Equal(infrav1.UpdateStatus{}))
}
