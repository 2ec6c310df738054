// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// answers to a launch that repeating it does not heal.
var answers = map[string]sim.Fault{
	"no-policy":          {Status: 404, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found."},
	"no-shape":           {Status: 404, Code: "NotAuthorizedOrNotFound", Message: "shape VM.Standard.A1.Flex not found"},
	"mandatory-tag":      {Status: 400, Code: "InvalidParameter", Message: "Invalid tags: tag namespace Finance requires a value for tag key CostCenter"},
	"no-preemptible":     {Status: 400, Code: "InvalidParameter", Message: "Preemptible instances are not supported for this tenancy"},
	"not-for-the-image":  {Status: 400, Code: "InvalidParameter", Message: "Shape VM.Standard.A1.Flex is not valid for image ocid1.image.oc1.iad.aaaa."},
	"no-subnet":          {Status: 400, Code: "RelatedResourceNotAuthorizedOrNotFound", Message: "The subnet is not found"},
	"suspended":          {Status: 401, Code: "NotAuthenticated", Message: "Tenancy is disabled."},
	"forbidden":          {Status: 403, Code: "NotAllowed", Message: "You may not do this"},
	"there-or-forbidden": {Status: 409, Code: "NotAuthorizedOrResourceAlreadyExists", Message: "Authorization failed or requested resource already exists."},
	"by-work-request":    {WorkRequestFails: true, Code: "NotAuthorizedOrNotFound", Message: "The image is not found"},
}

// regarding records warnings by the name of the object that they are about.
type regarding struct {
	mu     sync.Mutex
	events map[string][]string
}

func (r *regarding) Eventf(object, _ runtime.Object, kind, reason, _, note string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events == nil {
		r.events = map[string][]string{}
	}
	if about, ok := object.(metav1.Object); ok && kind == corev1.EventTypeWarning {
		r.events[about.GetName()] = append(r.events[about.GetName()], reason+" "+fmt.Sprintf(note, args...))
	}
}

func (r *regarding) warnings(name string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[name]
}

// realID is the form of OCI's opc-request-id; the SDK gives the first part.
var realID = regexp.MustCompile(`request ID [0-9A-Fa-f]{32}/[0-9A-F]{32}/[0-9A-F]{32}\)`)

func TestALaunchThatOneAccountRefusesGoesToAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	recorder := &regarding{}
	b.r.Recorder = recorder
	for name, fault := range answers {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			launches := b.calls("LaunchInstance")
			fault.Tenancy, fault.Operation, fault.Times = b.Tenancies[0].Name, "LaunchInstance", -1
			b.OCI.AddFault(fault)
			own := b.machine(t, name)
			b.untilProvisioned(t, own)
			g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
			g.Expect(b.calls("LaunchInstance")-launches).To(BeNumerically("<=", 2), "one refused, one taken")
			g.Expect(len(b.instances(t))).To(Equal(1))
			g.Expect(own.Status.Shortages).To(HaveLen(1))
			refusal := own.Status.Shortages[0]
			g.Expect(refusal.Account).To(Equal(b.Accounts[0].Name))
			g.Expect(refusal.Message).To(ContainSubstring(strings.TrimSuffix(fault.Message, ".")))
			if !fault.WorkRequestFails {
				g.Expect(refusal.Message).To(MatchRegexp(realID.String()))
			}
			for _, object := range []string{name, b.Accounts[0].Name} {
				g.Expect(recorder.warnings(object)).To(ContainElement(And(ContainSubstring("LaunchRefused"), ContainSubstring(refusal.Message))), object)
			}
			b.OCI.ClearFaults()
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

func TestALaunchIsNotRepeatedWhereItWasRefusedWhileTheNextAccountTellsNoImage(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sim.Fault{
		"refused": answers["no-policy"], "at-its-limit": {Status: 400, Code: "LimitExceeded", Message: "standard-a1-core-count is used up"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{Accounts: 2})
			fault.Tenancy, fault.Operation, fault.Times = b.Tenancies[0].Name, "LaunchInstance", -1
			b.OCI.AddFault(fault)
			b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[1].Name, Operation: "ListImages", Status: 500, Code: "InternalServerError", Times: 3})
			own := b.machine(t, "worker")
			b.untilCondition(t, own, "Placed False Unavailable")
			g.Expect(own.Status.Placement).To(Equal(infrav1.Placement{}))

			b.untilProvisioned(t, own)

			g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
			g.Expect(b.OCI.CallCounts(b.Tenancies[1].Name)["ListImages"]).To(BeNumerically(">", 3))
			g.Expect(b.OCI.CallCounts(b.Tenancies[0].Name)["LaunchInstance"]).To(Equal(1))
			g.Expect(own.Status.Shortages).To(ConsistOf(HaveField("Count", BeEquivalentTo(1))))
			g.Expect(len(b.instances(t))).To(Equal(1))
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

func TestAMachineThatAllAccountsRefuseSaysWhyAndTriesAgainLater(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	for i, answer := range []sim.Fault{answers["mandatory-tag"], answers["no-policy"]} {
		answer.Tenancy, answer.Operation, answer.Times = b.Tenancies[i].Name, "LaunchInstance", -1
		b.OCI.AddFault(answer)
	}
	own := b.machine(t, "worker")
	b.untilCondition(t, own, "Placed False LaunchRefused")
	message := helpers.MessageOf(own, infrav1.PlacedCondition)
	for i, words := range []string{"CostCenter", "Authorization failed"} {
		g.Expect(message).To(MatchRegexp(`%s [^;]*refuses the launch, next try at 20[^;]*%s`, b.Accounts[i].Name, words))
	}
	g.Expect(realID.FindAllString(message, -1)).To(HaveLen(2))
	g.Expect(message).To(ContainSubstring("have the owner of account"))
	launches := b.calls("LaunchInstance")
	g.Expect(launches).To(Equal(2))
	for range 20 {
		b.pass(t, own)
	}
	g.Expect(b.calls("LaunchInstance")).To(Equal(launches), "no launch before its time")

	b.sleep(6 * time.Minute)
	for range 20 {
		b.pass(t, own)
	}
	g.Expect(b.calls("LaunchInstance")).To(Equal(2*launches), "each place once more")
	b.Reload(t, own)
	for _, refusal := range own.Status.Shortages {
		g.Expect(refusal.Count).To(BeEquivalentTo(2))
		g.Expect(refusal.Until.Sub(b.now())).To(BeNumerically("~", 10*time.Minute, time.Minute))
	}

	b.OCI.ClearFaults()
	b.sleep(11 * time.Minute)
	b.untilProvisioned(t, own)
	g.Expect(len(b.instances(t))).To(Equal(1))
}

func TestAMachineThatIsItselfAtFaultIsToldSo(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 3})
	b.OCI.AddFault(sim.Fault{Operation: "LaunchInstance", Status: 400, Code: "InvalidParameter", Message: "The hostname is not valid", Times: -1})
	own := b.machine(t, "worker")
	b.untilCondition(t, own, "Placed False LaunchRefused")
	g.Expect(b.calls("LaunchInstance")).To(Equal(3), "all accounts, once")
	g.Expect(helpers.MessageOf(own, infrav1.PlacedCondition)).To(ContainSubstring("the cause is probably the machine's own"))

	// Neighbours are not kept from the accounts by it.
	b.OCI.ClearFaults()
	b.untilProvisioned(t, b.machine(t, "another"))
}

func TestALostAnswerKeepsTheMachineInItsAccount(t *testing.T) {
	t.Parallel()
	limit := sim.Fault{Status: 400, Code: "LimitExceeded", Message: "standard-a1-core-count is used up"}
	for name, world := range map[string]struct {
		answer    sim.Fault
		restarted bool
	}{
		"refused-in-one-process": {answers["no-policy"], false}, "refused-over-a-restart": {answers["no-policy"], true},
		// The limit is used up by the instance itself.
		"at-its-limit-in-one-process": {limit, false}, "at-its-limit-over-a-restart": {limit, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			delays := *helpers.FastDelays()
			// Long enough for a second launch on a busy machine.
			delays.ListLag = 5 * time.Second
			b := newBench(t, helpers.WorldOptions{Accounts: 2, Sim: sim.Options{Delays: &delays}})
			first := b.Tenancies[0].Name
			b.OCI.AddFault(sim.Fault{Tenancy: first, Operation: "LaunchInstance", Reset: true, AfterCommit: true})
			answer := world.answer
			answer.Tenancy, answer.Operation, answer.Times = first, "LaunchInstance", -1
			b.OCI.AddFault(answer)
			own := b.machine(t, "worker")
			for b.OCI.CallCounts(first)["LaunchInstance"] == 0 {
				b.pass(t, own)
			}
			if world.restarted {
				b.r = b.reconciler()
			}
			eventually(g, func(g Gomega) {
				b.pass(t, own)
				g.Expect(b.OCI.CallCounts(first)["LaunchInstance"]).To(BeNumerically(">", 1), "it was refused")
			})
			b.untilProvisioned(t, own)
			g.Expect(len(b.instances(t))).To(Equal(1))
			g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[0].Name))
		})
	}
}

func TestALostAnswerIsSoughtBeforeADeletionEnds(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]sim.Fault{
		"not-found": answers["no-policy"],
		"conflict":  {Status: 409, Code: "IncorrectState", Message: "The subnet is being changed"},
		"limit":     {Status: 400, Code: "LimitExceeded", Message: "standard-a1-core-count is used up"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			delays := *helpers.FastDelays()
			// Long enough for two more launches on a busy machine.
			delays.ListLag = 10 * time.Second
			b := newBench(t, helpers.WorldOptions{Sim: sim.Options{Delays: &delays}})
			b.OCI.AddFault(sim.Fault{Operation: "LaunchInstance", Reset: true, AfterCommit: true})
			answer.Operation, answer.Times = "LaunchInstance", -1
			b.OCI.AddFault(answer)
			own := b.machine(t, "worker")
			for b.calls("LaunchInstance") == 0 {
				b.pass(t, own)
			}
			g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())
			for b.calls("LaunchInstance") < 3 {
				b.pass(t, own)
			}
			b.Reload(t, own)
			made := b.instances(t)
			g.Expect(made).To(HaveLen(1))
			c, err := b.r.Access.OCI(t.Context(), b.Accounts[0])
			g.Expect(err).NotTo(HaveOccurred())
			// Lists show it later, by a clock that does not run ahead as the machine's
			// does.
			eventually(g, func(g Gomega) {
				listed, err := c.ListInstances(t.Context())
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(listed).To(ContainElement(HaveField("ID", made[0].ID)))
			})
			b.sleep(listedAfter + time.Second)
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

func TestAConflictThatLastsGoesToAnotherAccount(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"answered": false, "after-a-lost-answer": true} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{Accounts: 2})
			first := b.Tenancies[0].Name
			if lost {
				b.OCI.AddFault(sim.Fault{Tenancy: first, Operation: "LaunchInstance", Reset: true})
			}
			b.OCI.AddFault(sim.Fault{
				Tenancy: first, Operation: "LaunchInstance", Status: 409, Code: "IncorrectState", Message: "The subnet is being changed", Times: -1,
			})
			own := b.machine(t, "worker")
			for b.OCI.CallCounts(first)["LaunchInstance"] < 2 {
				b.pass(t, own)
			}
			for range 4 {
				b.sleep(time.Minute)
				b.pass(t, own)
			}
			b.Reload(t, own)
			g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[0].Name), "mostly it passes")

			b.sleep(2 * time.Minute)
			b.untilProvisioned(t, own)
			g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
			g.Expect(own.Status.Shortages[0].Message).To(ContainSubstring("The subnet is being changed"))
			g.Expect(b.instances(t)).To(HaveLen(1))
		})
	}
}

func TestCapacityIsAShortageWithAnyStatus(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]sim.Fault{
		"bad-request": {Status: 400, Code: "InvalidParameter"}, "conflict": {Status: 409, Code: "Conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{Accounts: 2})
			answer.Message = "Out of host capacity."
			answer.Tenancy, answer.Operation, answer.Times = b.Tenancies[0].Name, "LaunchInstance", -1
			b.OCI.AddFault(answer)
			own := b.machine(t, "worker")
			b.untilProvisioned(t, own)
			g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
			g.Expect(own.Status.Shortages[0].Reason).To(Equal("OutOfCapacity"))
		})
	}
}

func TestInstancesThatMayNotBeListedAreAProblemOfTheLaunch(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	b.untilPlaced(t, own)
	s := b.scopeOf(t, own)
	b.r.creations.doubt(client.ObjectKeyFromObject(own), own.Status.Placement.Attempt, s.now.Add(-listedAfter))
	c, err := b.r.Access.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	b.OCI.AddFault(sim.Fault{Operation: "ListInstances", Status: 404, Code: "NotAuthorizedOrNotFound", Message: "no lists"})

	problem := access.AsProblem(b.r.launcher().proveNotLaunched(t.Context(), s, c, &cloud.Error{Kind: cloud.LimitExceeded, Message: "the limit"}))

	g.Expect(problem.Reason).To(Equal(infrav1.LaunchRefusedReason))
	g.Expect(problem.Message).To(And(ContainSubstring("the limit"), ContainSubstring("cannot be listed"), ContainSubstring("no lists")))
}

func TestARefusalAfterALostAnswerIsBelievedOnceListsMustShowTheInstance(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	first := b.Tenancies[0].Name
	// The answer is lost before anything is done.
	b.OCI.AddFault(sim.Fault{Tenancy: first, Operation: "LaunchInstance", Reset: true})
	answer := answers["no-policy"]
	answer.Tenancy, answer.Operation, answer.Times = first, "LaunchInstance", -1
	b.OCI.AddFault(answer)
	own := b.machine(t, "worker")
	b.untilCondition(t, own, "InstanceReady False LaunchRefused")
	g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(ContainSubstring("earlier one in the same place"))
	g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[0].Name))

	b.sleep(listedAfter + time.Second)
	b.untilProvisioned(t, own)
	g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
	g.Expect(len(b.instances(t))).To(Equal(1))
}

func TestAnAccountWhoseImagesMayNotBeListedIsPassedOver(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[0].Name, Operation: "ListImages", Status: 404, Code: "NotAuthorizedOrNotFound", Message: "no", Times: -1})
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)
	g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
}

func TestOnlyALaunchThatCannotHaveSucceededIsForgotten(t *testing.T) {
	g := NewWithT(t)
	var known creations
	now := time.Now()
	key := requestOf(&infrav1.OCIMeshMachine{}).NamespacedName
	since, doubtful := known.doubtfulSince(key, 1, now)
	g.Expect(doubtful).To(BeTrue(), "another process may have sent it")
	g.Expect(since).To(Equal(now))
	since, _ = known.doubtfulSince(key, 1, now.Add(time.Minute))
	g.Expect(since).To(Equal(now))
	known.decided(key, 2)
	_, doubtful = known.doubtfulSince(key, 2, now)
	g.Expect(doubtful).To(BeFalse())
	known.doubt(key, 2, now)
	_, doubtful = known.doubtfulSince(key, 2, now)
	g.Expect(doubtful).To(BeTrue())
	for _, err := range []*cloud.Error{
		{Kind: cloud.Unavailable}, {Kind: cloud.Unknown}, {Kind: cloud.Conflict, Code: cloud.CodeInvalidatedRetryToken},
	} {
		g.Expect(refusedForCertain(fmt.Errorf("launching: %w", err))).To(BeFalse(), string(err.Kind))
	}
	g.Expect(refusedForCertain(&cloud.Error{Kind: cloud.Conflict})).To(BeTrue())
	conflicts := now.Add(time.Hour)
	g.Expect(known.conflictingSince(key, 3, conflicts)).To(Equal(conflicts))
	known.doubt(key, 3, conflicts.Add(time.Minute))
	g.Expect(known.conflictingSince(key, 3, conflicts.Add(2*time.Minute))).To(Equal(conflicts))
	known.decided(key, 4)
	g.Expect(known.conflictingSince(key, 4, conflicts.Add(time.Hour))).To(Equal(conflicts.Add(time.Hour)))
}
