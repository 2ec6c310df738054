// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	arm = "VM.Standard.A1.Flex"
	x86 = "VM.Standard.E5.Flex"
)

// account has one availability domain with two fault domains for each short name.
func account(name string, shortNames ...string) Account {
	out := Account{Name: name, Selected: true, ControlPlane: true, Ready: true}
	for _, short := range shortNames {
		out.Domains = append(out.Domains, infrav1.AvailabilityDomain{
			Name: name + ":" + short, ShortName: short, FaultDomains: []string{"FD-1", "FD-2"},
		})
	}
	return out
}

// shapes have one OCPU and 6 GB, with a volume of 50 GB.
func shapes(names ...string) []Shape {
	var out []Shape
	for _, name := range names {
		out = append(out, Shape{Name: name, Size: Size{Instances: 1, OCPUs: 1, MemoryGB: 6, VolumeGB: 50}})
	}
	return out
}

func shortage(account, domain, fault, shape string, until time.Time) infrav1.Shortage {
	s := infrav1.Shortage{Account: account, AvailabilityDomain: domain, FaultDomain: fault, Shape: shape, Reason: "OutOfCapacity"}
	s.Until.Time = until
	return s
}

// names renders candidates as "failure domain/fault domain/shape".
func names(candidates []Candidate) []string {
	out := make([]string, 0, len(candidates))
	for _, c := range candidates {
		out = append(out, c.FailureDomain+"/"+c.FaultDomain+"/"+c.Shape)
	}
	return out
}

type orderWorld struct {
	facts Facts
	want  []string
}

// orders are facts, and the candidates from the best to the worst.
var orders = map[string]orderWorld{
	"an empty cluster goes on by fault domain, then account": {
		Facts{Accounts: []Account{account("bob", "ad-1"), account("alice", "ad-1")}, Shapes: shapes(arm)},
		[]string{"alice-ad-1/FD-1/" + arm, "alice-ad-1/FD-2/" + arm, "bob-ad-1/FD-1/" + arm, "bob-ad-1/FD-2/" + arm},
	},
	"an account is left only after all its availability domains and shapes": {
		Facts{Accounts: []Account{account("alice", "ad-1", "ad-2"), account("bob", "ad-1")}, Shapes: shapes(arm, x86)},
		[]string{
			"alice-ad-1/FD-1/" + arm, "alice-ad-1/FD-2/" + arm, "alice-ad-2/FD-1/" + arm, "alice-ad-2/FD-2/" + arm,
			"alice-ad-1/FD-1/" + x86, "alice-ad-1/FD-2/" + x86, "alice-ad-2/FD-1/" + x86, "alice-ad-2/FD-2/" + x86,
			"bob-ad-1/FD-1/" + arm, "bob-ad-1/FD-2/" + arm, "bob-ad-1/FD-1/" + x86, "bob-ad-1/FD-2/" + x86,
		},
	},
	"the emptier failure domain comes first, and in it the emptier fault domain": {
		Facts{
			Group: "g", Accounts: []Account{account("alice", "ad-1"), account("bob", "ad-1")}, Shapes: shapes(arm),
			Placed: []Placed{
				{"g", "alice", "alice:ad-1", "FD-1", 2}, {"g", "bob", "bob:ad-1", "FD-1", 0},
			},
		},
		[]string{"bob-ad-1/FD-2/" + arm, "bob-ad-1/FD-1/" + arm, "alice-ad-1/FD-2/" + arm, "alice-ad-1/FD-1/" + arm},
	},
	"machines of other groups only break ties": {
		Facts{
			Group: "g", Accounts: []Account{account("alice", "ad-1"), account("bob", "ad-1")}, Shapes: shapes(arm),
			Placed: []Placed{{"other", "alice", "alice:ad-1", "", 1}},
		},
		[]string{"bob-ad-1/FD-1/" + arm, "bob-ad-1/FD-2/" + arm, "alice-ad-1/FD-1/" + arm, "alice-ad-1/FD-2/" + arm},
	},
	"between equal failure domains the account with fewer machines wins": {
		Facts{
			Group: "g", Accounts: []Account{account("alice", "ad-1", "ad-2"), account("bob", "ad-1")}, Shapes: shapes(arm),
			Placed: []Placed{{"g", "alice", "alice:ad-1", "FD-1", 1}},
		},
		[]string{
			"bob-ad-1/FD-1/" + arm, "bob-ad-1/FD-2/" + arm, "alice-ad-2/FD-1/" + arm, "alice-ad-2/FD-2/" + arm,
			"alice-ad-1/FD-2/" + arm, "alice-ad-1/FD-1/" + arm,
		},
	},
	"the Machine's failure domain is honoured strictly": {
		Facts{
			FailureDomain: "bob-ad-1", Shapes: shapes(arm),
			Accounts: []Account{account("alice", "ad-1"), account("bob", "ad-1")},
		},
		[]string{"bob-ad-1/FD-1/" + arm, "bob-ad-1/FD-2/" + arm},
	},
	"a short fault domain is left out for its shape": {
		Facts{
			Now: noon, Accounts: []Account{account("alice", "ad-1")}, Shapes: shapes(arm, x86),
			Shortages: []infrav1.Shortage{shortage("alice", "alice:ad-1", "FD-1", arm, noon.Add(time.Minute))},
		},
		[]string{"alice-ad-1/FD-2/" + arm, "alice-ad-1/FD-1/" + x86, "alice-ad-1/FD-2/" + x86},
	},
	"an exceeded limit leaves the shape out in the whole account": {
		Facts{
			Now: noon, Accounts: []Account{account("alice", "ad-1", "ad-2"), account("bob", "ad-1")}, Shapes: shapes(arm),
			Shortages: []infrav1.Shortage{shortage("alice", "", "", arm, noon.Add(time.Minute))},
		},
		[]string{"bob-ad-1/FD-1/" + arm, "bob-ad-1/FD-2/" + arm},
	},
	"a shortage that ended is forgotten": {
		Facts{
			Now: noon, Accounts: []Account{account("alice", "ad-1")}, Shapes: shapes(arm),
			Shortages: []infrav1.Shortage{shortage("alice", "", "", "", noon)},
		},
		[]string{"alice-ad-1/FD-1/" + arm, "alice-ad-1/FD-2/" + arm},
	},
}

func TestCandidatesComeInTheOrderOfSpreadAndPreference(t *testing.T) {
	for name, world := range orders {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			decision := Decide(world.facts)
			g.Expect(names(decision.Candidates)).To(Equal(world.want))
			for _, candidate := range decision.Candidates {
				g.Expect(candidate.Reason).NotTo(BeEmpty())
			}
		})
	}
}

func TestEveryRejectionHasItsReason(t *testing.T) {
	g := NewWithT(t)
	left, workers, down, unseen := account("left", "ad-1"), account("workers", "ad-1"), account("down", "ad-1"), account("unseen")
	left.Selected, workers.ControlPlane, down.Ready, down.Problem = false, false, false, "key revoked"

	decision := Decide(Facts{
		ControlPlane: true, Shapes: shapes(arm), Accounts: []Account{left, workers, down, unseen, account("alice", "ad-1")},
	})

	reasons := map[string]RejectionReason{}
	for _, rejection := range decision.Rejections {
		reasons[rejection.Account] = rejection.Reason
		g.Expect(rejection.Message).NotTo(BeEmpty())
	}
	g.Expect(reasons).To(Equal(map[string]RejectionReason{
		"left": NotSelected, "workers": ControlPlaneNotAllowed, "down": AccountNotReady, "unseen": AccountNotReady,
	}))
	g.Expect(decision.Candidates).To(HaveLen(2))
}

func TestAnUnknownFailureDomainIsToldFromOneThatIsNotSeenYet(t *testing.T) {
	g := NewWithT(t)
	facts := Facts{FailureDomain: "carol-ad-1", Shapes: shapes(arm), Accounts: []Account{account("alice", "ad-1")}}
	g.Expect(Decide(facts).UnknownFailureDomain).To(BeTrue())

	facts.Accounts = append(facts.Accounts, Account{Name: "carol", Selected: true})
	decision := Decide(facts)
	g.Expect(decision.UnknownFailureDomain).To(BeFalse())
	g.Expect(decision.Candidates).To(BeEmpty())
}

func TestTheNextTryIsWhenTheFirstShortageEnds(t *testing.T) {
	g := NewWithT(t)
	decision := Decide(Facts{
		Now: noon, Shapes: shapes(arm), Accounts: []Account{account("alice", "ad-1"), account("bob", "ad-1")},
		Shortages: []infrav1.Shortage{
			shortage("alice", "", "", arm, noon.Add(10*time.Minute)), shortage("bob", "", "", "", noon.Add(5*time.Minute)),
		},
	})
	g.Expect(decision.Candidates).To(BeEmpty())
	g.Expect(decision.NextTry()).To(Equal(noon.Add(5 * time.Minute)))
	g.Expect(Decision{}.NextTry().IsZero()).To(BeTrue())
}
