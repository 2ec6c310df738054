// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instancecache_test

import (
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// diary is a cache and the time.
type diary struct {
	*instancecache.Cache
	now   time.Time
	began time.Time
	asked int
}

func newDiary() *diary {
	d := &diary{now: start}
	d.Cache = instancecache.New("alpha", func() { d.asked++ })
	return d
}

func (d *diary) pass(duration time.Duration) { d.now = d.now.Add(duration) }

// poll is a poll of one second showing the instances.
func (d *diary) poll(instances ...oci.Instance) []instancecache.Change {
	d.began = d.now
	d.Begin(d.began)
	d.pass(time.Second)
	return d.Complete(instances, d.began, d.now)
}

func (d *diary) fail(err error) []instancecache.Change {
	d.began = d.now
	d.Begin(d.began)
	d.pass(time.Second)
	return d.Fail(err, d.began, d.now)
}

func machineInstance(id string, state oci.LifecycleState) oci.Instance {
	return oci.Instance{Resource: oci.Resource{ID: id, State: state, Tags: map[string]string{
		infrav1.MachineUIDTag: "uid-" + id, infrav1.MachineNameTag: "ns/" + id,
	}}}
}

func changeOf(id string) instancecache.Change {
	return instancecache.Change{Account: "alpha", InstanceID: id, Machine: "ns/" + id}
}

var (
	errSilent  = &cloud.Error{Kind: cloud.Unavailable}
	errRefused = &cloud.Error{Kind: cloud.NotFoundOrUnauthorized, Status: 404}
	everything = instancecache.Change{Account: "alpha", All: true}
	theAccount = instancecache.Change{Account: "alpha"}
)

func TestOnlyWhatIsNewIsAChange(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	stranger := oci.Instance{Resource: oci.Resource{ID: "stranger", State: oci.StateRunning}}
	g.Expect(d.poll(machineInstance("a", oci.StateRunning), stranger)).To(ConsistOf(changeOf("a")))
	_, known := d.Instance("stranger")
	g.Expect(known).To(BeFalse(), "instances of other owners are left out")

	d.pass(time.Minute)
	g.Expect(d.poll(machineInstance("a", oci.StateRunning), stranger)).To(BeEmpty())
	d.pass(time.Minute)
	g.Expect(d.poll(machineInstance("a", oci.StateStopping))).To(ConsistOf(changeOf("a")))
	seen, _ := d.Instance("a")
	g.Expect(seen.State).To(Equal(oci.StateStopping))
}

func TestAnInstanceIsMissingOnlyFromACompletePoll(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	d.poll(machineInstance("a", oci.StateRunning), machineInstance("b", oci.StateRunning))

	d.pass(time.Minute)
	g.Expect(d.fail(errSilent)).To(BeEmpty(), "what the first page showed is dropped with the rest")
	seen, known := d.Instance("b")
	g.Expect(known && seen.Listed).To(BeTrue())

	d.pass(time.Minute)
	g.Expect(d.poll(machineInstance("a", oci.StateRunning))).To(ConsistOf(changeOf("b")))
	seen, known = d.Instance("b")
	g.Expect(known).To(BeTrue(), "it is to be asked for, not gone")
	g.Expect(seen.Listed).To(BeFalse())
	g.Expect(d.Tagged("uid-b")).To(BeEmpty())
	g.Expect(d.Tagged("uid-a")).To(HaveLen(1))

	d.pass(time.Minute)
	g.Expect(d.poll(machineInstance("a", oci.StateRunning))).To(BeEmpty(), "it is told once")
	g.Expect(d.poll(machineInstance("b", oci.StateRunning), machineInstance("a", oci.StateRunning))).To(ConsistOf(changeOf("b")))
}

func TestClaimedIsWhatIsTaggedAndThereToStay(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	_, began := d.Claimed()
	g.Expect(began.IsZero()).To(BeTrue(), "nothing is known")
	pooled := oci.Instance{Resource: oci.Resource{ID: "pooled", State: oci.StateProvisioning, Tags: map[string]string{infrav1.MachinePoolUIDTag: "p"}}}
	d.poll(machineInstance("a", oci.StateRunning), machineInstance("b", oci.StateStopped), machineInstance("c", oci.StateTerminating),
		machineInstance("d", oci.StateTerminated), machineInstance("e", oci.StateRunning), pooled,
		oci.Instance{Resource: oci.Resource{ID: "stranger", State: oci.StateRunning}})
	ids := func() (ids []string) {
		claimed, _ := d.Claimed()
		for _, instance := range claimed {
			ids = append(ids, instance.ID)
		}
		return ids
	}
	g.Expect(ids()).To(ConsistOf("a", "b", "e", "pooled"))

	d.pass(time.Minute)
	g.Expect(d.fail(errSilent)).To(BeEmpty())
	_, began = d.Claimed()
	g.Expect(began).To(Equal(start), "a poll that failed shows nothing")
	d.poll(machineInstance("a", oci.StateRunning))
	g.Expect(ids()).To(ConsistOf("a"), "the others are missing")
}

func TestAListSaysNothingOfWhatWasDoneAfterItsBeginning(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	d.poll(machineInstance("a", oci.StateRunning))

	began := d.now
	d.Begin(began)
	d.pass(time.Second)
	d.Note(machineInstance("a", oci.StateTerminating), d.now)
	d.Note(machineInstance("new", oci.StateProvisioning), d.now)
	g.Expect(d.Complete([]oci.Instance{machineInstance("a", oci.StateRunning)}, began, d.now)).To(BeEmpty())

	seen, _ := d.Instance("a")
	g.Expect(seen.State).To(Equal(oci.StateTerminating))
	seen, _ = d.Instance("new")
	g.Expect(seen.Listed).To(BeTrue())
	d.pass(10 * time.Second)
	g.Expect(d.poll(machineInstance("a", oci.StateTerminated))).To(ConsistOf(changeOf("a")), "lists lag, new is not missed yet")
	d.pass(time.Minute)
	g.Expect(d.poll(machineInstance("a", oci.StateTerminated))).To(ConsistOf(changeOf("new")))
}

func TestARefusalCountsAtOnceAndSilenceInTime(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	d.poll(machineInstance("a", oci.StateRunning))

	g.Expect(d.fail(errSilent)).To(BeEmpty())
	g.Expect(d.Trouble(d.now)).NotTo(HaveOccurred())
	d.pass(2 * time.Minute)
	g.Expect(d.Trouble(d.now)).To(MatchError(errSilent))
	g.Expect(d.fail(errSilent)).To(ConsistOf(everything))
	g.Expect(d.fail(errSilent)).To(BeEmpty(), "it is told once")
	g.Expect(d.poll(machineInstance("a", oci.StateRunning))).To(ConsistOf(everything))
	g.Expect(d.Trouble(d.now)).NotTo(HaveOccurred())

	g.Expect(d.fail(errRefused)).To(ConsistOf(everything))
	g.Expect(d.Trouble(d.now)).To(MatchError(errRefused))
}

func TestAMachineWaitsForAPollThatBeganAfterIt(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	d.Begin(d.now)
	began := d.now
	d.pass(time.Second)
	waits := d.now
	d.Await("ns/new", waits)
	g.Expect(d.asked).To(Equal(1))
	g.Expect(d.Complete(nil, began, d.now)).To(BeEmpty())
	g.Expect(d.PolledSince(waits)).To(BeFalse())

	d.pass(time.Second)
	g.Expect(d.poll()).To(ConsistOf(instancecache.Change{Account: "alpha", Machine: "ns/new"}))
	g.Expect(d.PolledSince(waits)).To(BeTrue())
	g.Expect(d.poll()).To(BeEmpty())
}

func TestAnAccountThatHangsOrFailsAgainIsNotWaitedFor(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	g.Expect(d.Answering(d.now)).To(BeTrue())
	d.poll()
	d.fail(errSilent)
	g.Expect(d.Answering(d.now)).To(BeTrue())
	d.fail(errSilent)
	g.Expect(d.Answering(d.now)).To(BeFalse())
	d.poll()
	g.Expect(d.fail(errSilent)).To(BeEmpty())
	g.Expect(d.fail(errSilent)).To(ConsistOf(theAccount), "its machines are believed for a while")
	g.Expect(d.poll()).To(ConsistOf(theAccount))
	g.Expect(d.Answering(d.now)).To(BeTrue())
	d.Begin(d.now)
	d.pass(11 * time.Second)
	g.Expect(d.Answering(d.now)).To(BeFalse())
}

func TestAddressesAreFetchedOnceAndOnlyWhenAskedFor(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	wanted := func() []string { ids, _ := d.Wanted(); return ids }
	d.poll(machineInstance("old", oci.StateRunning))
	g.Expect(wanted()).To(BeEmpty())
	_, found, err := d.Addresses("old")
	g.Expect(found).To(BeFalse())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(wanted()).To(ConsistOf("old"))

	d.Note(machineInstance("new", oci.StateProvisioning), d.now)
	d.pass(time.Minute)
	d.poll(machineInstance("old", oci.StateRunning), machineInstance("new", oci.StateRunning))
	g.Expect(wanted()).To(ConsistOf("new", "old"), "it came up under our eyes")

	g.Expect(d.Addressed("new", nil, nil)).To(ConsistOf(changeOf("new")), "it runs and has none yet")
	g.Expect(d.Addressed("new", nil, nil)).To(BeEmpty())
	g.Expect(d.Addressed("new", nil, errSilent)).To(HaveLen(1))
	g.Expect(d.Addressed("new", nil, errSilent)).To(BeEmpty())
	vnic := oci.VNIC{PrivateIP: netip.MustParseAddr("10.0.0.2")}
	g.Expect(d.Addressed("new", &vnic, nil)).To(HaveLen(1))
	g.Expect(wanted()).To(ConsistOf("old"))
	got, found, err := d.Addresses("new")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeTrue())
	g.Expect(got).To(Equal(vnic))
}

func TestThatAnInstanceRunsIsToldTogetherWithItsAddresses(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	d.Note(machineInstance("a", oci.StateProvisioning), d.now)
	d.Note(machineInstance("b", oci.StateProvisioning), d.now)
	d.pass(time.Minute)
	g.Expect(d.poll(machineInstance("a", oci.StateStarting), machineInstance("b", oci.StateStarting))).To(ConsistOf(changeOf("a"), changeOf("b")))
	d.pass(time.Minute)
	for range 2 {
		g.Expect(d.poll(machineInstance("a", oci.StateRunning), machineInstance("b", oci.StateRunning))).To(BeEmpty())
	}
	vnic := oci.VNIC{PrivateIP: netip.MustParseAddr("10.0.0.2")}
	g.Expect(d.Addressed("a", &vnic, nil)).To(ConsistOf(changeOf("a")))
	g.Expect(d.Addressed("b", nil, errSilent)).To(ConsistOf(changeOf("b")), "addresses that cannot be had do not hide that it runs")

	d.pass(time.Minute)
	g.Expect(d.poll(machineInstance("a", oci.StateStopped), machineInstance("b", oci.StateRunning))).To(ConsistOf(changeOf("a")))
	d.pass(time.Minute)
	g.Expect(d.poll(machineInstance("a", oci.StateRunning), machineInstance("b", oci.StateRunning))).To(
		ConsistOf(changeOf("a")), "its addresses are known")

	d.Note(machineInstance("c", oci.StateProvisioning), d.now)
	d.pass(time.Minute)
	g.Expect(d.poll(machineInstance("c", oci.StateRunning))).NotTo(ContainElement(changeOf("c")))
	g.Expect(d.poll(machineInstance("c", oci.StateStopping))).To(ContainElement(changeOf("c")), "one that no longer runs is told at once")
}

func TestPace(t *testing.T) {
	pace := instancecache.Pace{Rest: time.Minute, Progress: 10 * time.Second}
	for name, tc := range map[string]struct {
		happens func(*diary)
		want    time.Duration
	}{
		"at rest":                 {func(*diary) {}, time.Minute},
		"another manager's boots": {func(d *diary) { d.poll(machineInstance("a", oci.StateProvisioning)) }, time.Minute},
		"one of ours boots":       {func(d *diary) { d.poll(machineInstance("a", oci.StateProvisioning)); d.Instance("a") }, 10 * time.Second},
		"one of ours was just launched": {func(d *diary) {
			d.pass(20 * time.Second)
			d.Note(machineInstance("a", oci.StateProvisioning), d.now)
		}, 32 * time.Second},
		"others of ours boot for longer": {func(d *diary) {
			d.Note(machineInstance("a", oci.StateProvisioning), d.now)
			d.pass(5 * time.Second)
			d.Note(machineInstance("b", oci.StateProvisioning), d.now)
		}, 12 * time.Second},
		"its device is to tell": {func(d *diary) { d.Note(machineInstance("a", oci.StateProvisioning), d.now); d.Joining("a") }, 41 * time.Second},
		"its device has told": {func(d *diary) {
			d.Note(machineInstance("a", oci.StateProvisioning), d.now)
			d.Joining("a")
			d.Joined("a", "ns/a", d.now)
		}, 2 * time.Second},
		"its device has not told for long": {func(d *diary) {
			d.Note(machineInstance("a", oci.StateProvisioning), d.now)
			d.Joining("a")
			d.pass(50 * time.Second)
			d.poll(machineInstance("a", oci.StateProvisioning))
		}, 10 * time.Second},
		"it boots no more, and stops": {func(d *diary) {
			d.Note(machineInstance("a", oci.StateProvisioning), d.now)
			d.Joining("a")
			d.poll(machineInstance("a", oci.StateRunning))
			d.poll(machineInstance("a", oci.StateStopping))
		}, 10 * time.Second},
		"a machine waits":          {func(d *diary) { d.Await("ns/new", d.now) }, 2 * time.Second},
		"the account failed":       {func(d *diary) { d.fail(errSilent) }, 10 * time.Second},
		"the account failed again": {func(d *diary) { d.fail(errSilent); d.fail(errSilent) }, 20 * time.Second},
		"the account asks for patience": {func(d *diary) {
			d.fail(&cloud.Error{Kind: cloud.Throttled, RetryAfter: 5 * time.Minute})
		}, 5 * time.Minute},
		"one of ours is stuck": {func(d *diary) {
			d.Note(machineInstance("a", oci.StateProvisioning), d.now)
			d.pass(3 * time.Minute)
			d.poll(machineInstance("a", oci.StateProvisioning))
		}, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := newDiary()
			g.Expect(d.Next(pace)).To(BeZero(), "the first is due at once")
			d.poll()
			tc.happens(d)
			g.Expect(d.Next(pace).Sub(d.began)).To(Equal(tc.want))
			d.Hurry()
			g.Expect(d.Next(pace)).To(BeZero())
		})
	}
}

func TestInstancesOfAMachinePoolAreKeptForIt(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	pooled := oci.Instance{Resource: oci.Resource{ID: "p1", State: oci.StateRunning, Tags: map[string]string{
		infrav1.MachinePoolUIDTag: "uid-pool", infrav1.MachinePoolNameTag: "ns/pool",
	}}}

	changes := d.poll(pooled, machineInstance("m1", oci.StateRunning))

	g.Expect(changes).To(ConsistOf(instancecache.Change{Account: "alpha", InstanceID: "p1", MachinePool: "ns/pool"}, changeOf("m1")))
	g.Expect(d.Tagged("uid-pool")).To(ConsistOf(pooled))
}

func TestTheVersionChangesWithWhatIsKnownOfInstances(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	instance := machineInstance("one", oci.StateRunning)
	changes := func(change func()) bool {
		before := d.Version()
		change()
		return d.Version() != before
	}
	g.Expect(changes(func() { d.poll(instance) })).To(BeTrue())
	g.Expect(changes(func() { d.Note(instance, d.now) })).To(BeTrue())
	g.Expect(changes(func() { d.fail(errSilent) })).To(BeFalse())
	g.Expect(changes(func() { d.Tagged("uid") })).To(BeFalse())
}
