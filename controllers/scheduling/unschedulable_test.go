// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// refusedAt is the time of the refusals.
var refusedAt = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func placeIn(account string) placement.Place {
	return placement.Place{Account: account, AvailabilityDomain: "ad-1", FaultDomain: "fd-1", Shape: arm}
}

// What keeps a machine from each account.
var (
	aliceShort = placement.Rejection{
		Place: placeIn("alice"), Reason: placement.Short, Message: "OutOfCapacity", Until: refusedAt.Add(2 * time.Minute),
	}
	bobOverBudget  = placement.Rejection{Place: placeIn("bob"), Reason: placement.OverBudget, Message: "its budget has 0 of 2 left"}
	carolOverLimit = placement.Rejection{Place: placeIn("carol"), Reason: placement.OverLimit, Message: "OCI's limit is 2"}
	daveDead       = placement.Rejection{
		Place: placement.Place{Account: "dave"}, Reason: placement.AccountNotReady, Message: "the key was revoked",
	}
	erinLeftOut       = placement.Rejection{Place: placement.Place{Account: "erin"}, Reason: placement.NotSelected, Message: "left out"}
	frankWithoutImage = &access.Problem{Reason: infrav1.ImageNotFoundReason, Message: "frank: there is no image"}
	graceUnsized      = placement.Rejection{Place: placeIn("grace"), Reason: placement.SizeUnknown, Message: "OCI has not told the size"}
)

// Parts of messages.
const (
	inAlice   = "alice ad-1 fd-1 " + arm + " (OutOfCapacity)"
	inCarol   = "carol ad-1 fd-1 " + arm + ": OCI's limit is 2"
	helpRaise = "raise spec.budget of OCIAccount bob, or delete machines in it"
	helpAsk   = "ask Oracle for a higher limit of account carol, have a quota of it raised, or delete instances in it"
	helpMore  = "add accounts to the OCIMeshCluster; allow other shapes"
	helpLater = "or wait: the next try is when something is freed, or at the latest in "
)

// refusalWorld is what keeps a machine from having a place, and the refusal of it.
type refusalWorld struct {
	rejections []placement.Rejection
	images     []error
	reason     string
	message    string
	wait       time.Duration
}

// refusalWorlds are causes, and what is made of them.
var refusalWorlds = map[string]refusalWorld{
	"a shortage passes by itself": {
		[]placement.Rejection{bobOverBudget, aliceShort, daveDead, erinLeftOut}, nil, "NoCapacity",
		inAlice + "; bob: its budget has 0 of 2 left; dave: the key was revoked. What helps: " + helpRaise + "; " + helpMore +
			"; or wait: the next try is at 2026-11-25T12:02:00Z", 2 * time.Minute,
	},
	"an image may be added before a shortage passes": {
		[]placement.Rejection{aliceShort}, []error{frankWithoutImage}, "NoCapacity",
		inAlice + "; frank: there is no image. What helps: " + helpMore + "; or wait: the next try is at 2026-11-25T12:02:00Z", time.Minute,
	},
	"a budget is the user's to raise": {
		[]placement.Rejection{carolOverLimit, bobOverBudget, bobOverBudget}, nil, "BudgetExceeded",
		"bob: its budget has 0 of 2 left; " + inCarol + ". What helps: " + helpRaise + "; " + helpAsk + "; " + helpMore + "; " + helpLater + "5m0s",
		5 * time.Minute,
	},
	"a budget comes before an image": {
		[]placement.Rejection{bobOverBudget}, []error{frankWithoutImage}, "BudgetExceeded",
		"bob: its budget has 0 of 2 left; frank: there is no image. What helps: " + helpRaise + "; " + helpMore + "; " + helpLater + "1m0s", time.Minute,
	},
	"a limit is Oracle's to raise": {
		[]placement.Rejection{carolOverLimit, daveDead}, nil, "NoCapacity",
		inCarol + "; dave: the key was revoked. What helps: " + helpAsk + "; " + helpMore + "; " + helpLater + "5m0s", 5 * time.Minute,
	},
	"a size is not known": {
		[]placement.Rejection{graceUnsized, daveDead}, nil, "ShapeUnknown",
		"grace: OCI has not told the size; dave: the key was revoked. What helps: " + unsizedRemedy + "; " + helpMore, time.Minute,
	},
	"an image is missing": {
		[]placement.Rejection{daveDead}, []error{frankWithoutImage}, "ImageNotFound", "frank: there is no image; dave: the key was revoked", time.Minute,
	},
	"no account is allowed or ready": {
		[]placement.Rejection{daveDead, erinLeftOut}, nil, "NoAccount", "dave: the key was revoked; erin: left out", time.Minute,
	},
	"there are no accounts": {nil, nil, "NoAccount", "the cluster lists none", time.Minute},
}

func TestTheReasonIsTheCauseThatIsEasiestToResolve(t *testing.T) {
	for name, world := range refusalWorlds {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			refusal := refuse(advice{}, placement.Decision{Rejections: world.rejections}, world.images, refusedAt, time.Minute)

			g.Expect(refusal.Reason).To(Equal(world.reason))
			g.Expect(refusal.Message).To(Equal("No account can take the machine: " + world.message))
			g.Expect(refusal.RetryAfter).To(Equal(world.wait))
		})
	}
}

func TestAFailureDomainThatBindsTheMachineIsNamed(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	other := placement.Rejection{Place: placement.Place{Account: "bob"}, Reason: placement.OtherFailureDomain, Message: "no"}
	at := placement.Place{Account: "alice-2", AvailabilityDomain: "ad-1", Shape: arm}
	for name, rejection := range map[string]placement.Rejection{
		"refused":     {Place: at, Reason: placement.Refused, Message: "404 NotAuthorizedOrNotFound: no", Kind: "NotFoundOrUnauthorized", Until: now},
		"short":       {Place: at, Reason: placement.Short, Message: "OutOfCapacity", Until: now},
		"over budget": {Place: at, Reason: placement.OverBudget, Message: "0 left"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			alice := placement.Rejection{Place: placement.Place{Account: "alice"}, Reason: placement.OtherFailureDomain, Message: "no"}
			message := refuse(advice{failureDomain: "alice-2-ad-1"}, placement.Decision{Rejections: []placement.Rejection{other, alice, rejection}}, nil, now, time.Minute).Message
			g.Expect(message).To(ContainSubstring("failureDomain alice-2-ad-1 of the Machine binds it to account alice-2"))
			g.Expect(message).To(ContainSubstring("set controlPlane: false for the account in the OCIMeshCluster and then delete the Machine"))
			g.Expect(message).NotTo(ContainSubstring("add accounts"))
		})
	}
}

func TestLongRefusalsLeaveRoomForWhatHelps(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, accounts := range [][]string{{"alice"}, {"alice", "bob"}, {"alice", "bob", "carol", "dave", "erin", "frank", "grace"}} {
		g := NewWithT(t)
		var decision placement.Decision
		for _, account := range accounts {
			decision.Rejections = append(decision.Rejections, placement.Rejection{
				Place: placement.Place{Account: account, AvailabilityDomain: "abcd:US-ASHBURN-AD-1", Shape: arm}, Reason: placement.Refused,
				Message: account + strings.Repeat(" says no", 65), Kind: "NotFoundOrUnauthorized", Until: now.Add(5 * time.Minute),
			})
		}

		message := refuse(advice{}, decision, nil, now, time.Minute).Message

		g.Expect(len(message)).To(BeNumerically("<=", maxMessage))
		g.Expect(message).To(HaveSuffix("or wait: the next try is at 2026-11-29T12:05:00Z"))
		for _, account := range accounts[:min(len(accounts), 2)] {
			g.Expect(message).To(ContainSubstring(account + " abcd:US-ASHBURN-AD-1"))
		}
	}
}
