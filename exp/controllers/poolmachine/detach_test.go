// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// launchPool makes an instance pool of so many instances with the tags, each with a data volume, of
// which the first one is the bench's, and returns its OCID.
func (b *bench) launchPool(t *testing.T, size int, tags map[string]string) string {
	t.Helper()
	g, c := NewWithT(t), b.client(t)
	configuration, err := c.CreateInstanceConfiguration(t.Context(), oci.LaunchSpec{
		DisplayName: "workers", Shape: shape, OCPUs: 1, MemoryGB: 6, ImageID: b.image, Tags: tags,
		DataVolumes: []oci.LaunchVolume{{VolumeSize: oci.VolumeSize{GB: 50}, DisplayName: "data", Device: "/dev/oracleoci/oraclevdb"}},
	}, tags)
	g.Expect(err).NotTo(HaveOccurred())
	pool, err := c.CreateInstancePool(t.Context(), oci.PoolSpec{
		DisplayName: "workers", ConfigurationID: configuration, Size: size, Tags: tags,
		Placements: []oci.PoolPlacement{{AvailabilityDomain: b.Tenancies[0].AvailabilityDomains()[0], SubnetID: b.subnet}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	eventually(g, func(g Gomega) {
		g.Expect(b.poolOf(t, pool.ID).State).To(Equal(oci.StateRunning))
		members, err := c.PoolInstances(t.Context(), pool.ID)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(members).To(HaveLen(size))
		b.instance = members[0]
		g.Expect(b.state()).To(Equal("RUNNING"))
		attachments, err := c.DataVolumeAttachments(t.Context(), b.instance)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(attachments).To(ConsistOf(HaveField("State", oci.StateAttached)))
	})
	return pool.ID
}

func (b *bench) poolOf(t *testing.T, id string) oci.InstancePool {
	t.Helper()
	pool, err := b.client(t).GetInstancePool(t.Context(), id)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return pool
}

// record writes the instance pool into the status of the object's pool.
func (b *bench) record(t *testing.T, id string) {
	t.Helper()
	pool := &expv1.OCIMeshMachinePool{}
	pool.Namespace, pool.Name = b.Namespace, "workers"
	b.Reload(t, pool)
	b.status(t, pool, `{"pool":{"id":%q,"attempt":1}}`, id)
}

// If the pool did not become smaller OCI would put another instance in place of the one that was
// to go; if it became smaller twice somebody else's node would end.
func TestAnInstanceLeavesItsPoolOnceAndIsNotReplaced(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, b *bench, pool string){
		"its pool is recorded":                    func(t *testing.T, b *bench, pool string) { b.record(t, pool) },
		"its pool's status is lost: tags show it": func(*testing.T, *bench, string) {},
		"OCI refuses while the pool changes": func(t *testing.T, b *bench, pool string) {
			b.record(t, pool)
			b.OCI.AddFault(sim.Fault{Operation: "DetachInstancePoolInstance", Status: 409, Code: "IncorrectState", Times: 3})
		},
		"OCI's answer gets lost": func(t *testing.T, b *bench, pool string) {
			b.record(t, pool)
			b.OCI.AddFault(sim.Fault{Operation: "DetachInstancePoolInstance", AfterCommit: true, Reset: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			pool := b.launchPool(t, 2, tagsOf(uid, b.Namespace, "workers"))
			object := b.nodeOf(t)
			before(t, b, pool)

			b.delete(t, object)

			g.Expect(b.state()).To(Equal("TERMINATED"))
			eventually(g, func(g Gomega) {
				now := b.poolOf(t, pool)
				g.Expect(now.State).To(Equal(oci.StateRunning))
				g.Expect(now.Size).To(Equal(1))
			})
			machines, err := b.OCI.Machines(b.Tenancies[0].Name)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(machines).To(HaveLen(1))
			g.Expect(b.volumes(t)).To(Equal(1))
			g.Expect(b.calls("TerminateInstance")).To(BeZero(), "OCI would launch another one")
		})
	}
}

func TestAnInstanceThatIsNoMemberOfThePoolIsTerminated(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, b *bench){
		"there is no pool": func(*testing.T, *bench) {},
		"the recorded pool has others": func(t *testing.T, b *bench) {
			mine := b.instance
			b.record(t, b.launchPool(t, 1, tagsOf(uid, b.Namespace, "workers")))
			b.instance = mine
		},
		"the recorded pool is gone": func(t *testing.T, b *bench) {
			mine := b.instance
			pool := b.launchPool(t, 1, tagsOf(uid, b.Namespace, "workers"))
			b.record(t, pool)
			b.instance = mine
			g := NewWithT(t)
			g.Expect(b.client(t).TerminateInstancePool(t.Context(), ownership.Recorded(pool))).To(Succeed())
			eventually(g, func(g Gomega) { g.Expect(b.poolOf(t, pool).State).To(Equal(oci.StateTerminated)) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			object := b.node(t)
			before(t, b)

			b.delete(t, object)

			g.Expect(b.state()).To(Equal("TERMINATED"))
			g.Expect(b.calls("TerminateInstance")).To(Equal(1))
			left, err := b.OCI.Machines(b.Tenancies[0].Name)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(len(left) == 1).To(Equal(strings.HasSuffix(name, "has others")), "of the pool nobody ends")
		})
	}
}

func TestAnInstanceThatAPoolWithoutRoomKeepsIsToldWithOCIsWords(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	pool := b.launchPool(t, 1, tagsOf(uid, b.Namespace, "workers"))
	object := b.nodeOf(t)
	recorded := &expv1.OCIMeshMachinePool{}
	recorded.Namespace, recorded.Name = b.Namespace, "workers"
	b.Reload(t, recorded)
	b.status(t, recorded, `{"pool":{"id":%q,"state":"SCALING","attempt":1}}`, pool)
	g.Expect(b.OCI.RefuseWhileScaling(b.Tenancies[0].Name)).To(Succeed())
	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: shape}, 1)).To(Succeed())
	two := 2
	_, err := b.client(t).UpdateInstancePool(t.Context(), ownership.Recorded(pool), oci.PoolChange{Size: &two})
	g.Expect(err).NotTo(HaveOccurred())

	b.untilDeletionWaits(t, object, "WaitingForTermination")

	// Data volumes are recorded first.
	b.until(t, object, func(g Gomega) {
		g.Expect(helpers.MessageOf(object, infrav1.DeletingCondition)).To(And(
			HavePrefix("OCI does not let instance "+b.instance+", which is RUNNING, leave its pool, which is SCALING, and is asked again: "),
			ContainSubstring("is in the state SCALING")))
	})
	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: shape}, -1)).To(Succeed())
	b.untilGone(t, object)
	g.Expect(b.state()).To(Equal("TERMINATED"))
}

func TestAnEndThatOCIRefusesIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	object := b.node(t)
	b.OCI.AddFault(sim.Fault{Operation: "TerminateInstance", Status: 429, Code: "TooManyRequests", Times: -1})
	b.untilDeletionWaits(t, object, "WaitingForAccount")

	b.OCI.ClearFaults()
	b.untilGone(t, object)
	NewWithT(t).Expect(b.state()).To(Equal("TERMINATED"))
}

func TestWhatIsProvenIsEnded(t *testing.T) {
	for name, world := range map[string]struct {
		tags func(namespace string) map[string]string
		// status is what was recorded; withoutPool says that the pool is gone.
		status      string
		withoutPool bool
	}{
		"by tags, status was lost":         {tags: func(namespace string) map[string]string { return tagsOf(uid, namespace, "workers") }},
		"by status, somebody removed tags": {tags: func(string) map[string]string { return nil }, status: `{"account":%q,"instance":{"id":%q}}`},
		"by status, the pool is gone": {
			tags:   func(namespace string) map[string]string { return tagsOf(uid, namespace, "workers") },
			status: `{"account":%q,"instance":{"id":%q}}`, withoutPool: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			b.launch(t, world.tags(b.Namespace))
			b.cluster(t, b.Namespace)
			if !world.withoutPool {
				b.pool(t, b.Namespace, "workers", uid)
			}
			object := b.machine(b.Namespace, "workers", uid)
			b.Create(t, object)
			if world.status != "" {
				b.status(t, object, world.status, b.Accounts[0].Name, b.instance)
			}

			b.delete(t, object)

			g.Expect(b.state()).To(Equal("TERMINATED"))
		})
	}
}
