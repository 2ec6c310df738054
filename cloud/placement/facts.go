// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Facts are everything that a placement depends on.
type Facts struct {
	// Now is when the decision is made; shortages end by it.
	Now time.Time
	// ControlPlane says that the machine is a control plane.
	ControlPlane bool
	// ControlPlanes is how many control planes the cluster is to have; 0 while it is not known.
	ControlPlanes int
	// Group is what the machine is spread among, in words: "control plane machines", or those of
	// its MachineDeployment.
	Group string
	// FailureDomain is Machine.spec.failureDomain; empty leaves the choice to the placement.
	FailureDomain string
	// Accounts are the cluster's, each name once.
	Accounts []Account
	// Shapes are the machine's in order of preference.
	Shapes []Shape
	// Placed are the cluster's other machines, in any order.
	Placed []Placed
	// Shortages are places without room; those that ended are ignored.
	Shortages []infrav1.Shortage
	// Refused are places that turned out not to suit the machine: an empty part stands for all.
	Refused []Place
}

// Shape is a shape with the size that the machine wants of it.
type Shape struct {
	// Name is OCI's, such as VM.Standard.A1.Flex.
	Name string
	// Size is one machine's, volumes included.
	Size Size
	// Unsized says that OCPUs and memory are not known: Size has none of them.
	Unsized bool
}

// Account is one of the cluster's accounts.
type Account struct {
	// Name of the OCIAccount.
	Name string
	// Selected says that the machine's spec.accounts includes the account, or is absent.
	Selected bool
	// ControlPlane says that control planes are allowed in it.
	ControlPlane bool
	// Ready says that machines can be placed in it; Problem is why not, for people.
	Ready   bool
	Problem string
	// Domains are its availability domains; empty while they are not known.
	Domains []infrav1.AvailabilityDomain
	// Weight is its share of the machines; 0 counts as 1.
	Weight int32
	// Budget bounds what the provider's machines use.
	Budget Budget
	// Limits are OCI's own, as far as they are known.
	Limits []Limit
	// Used is what machines of all clusters use of the account or have reserved, this machine
	// apart, and what other instances of the compartment use.
	Used []Use
}

// Placed are other machines of the cluster, in one place.
type Placed struct {
	// Group is as in Facts.
	Group string
	// Account, AvailabilityDomain and FaultDomain are where they are; FaultDomain may be empty.
	Account, AvailabilityDomain, FaultDomain string
	// Number of machines; 0 counts as 1.
	Number int
}

// Place is a place that a machine can be launched in.
type Place struct {
	// Account is the OCIAccount's name.
	Account string
	// AvailabilityDomain is OCI's name of it.
	AvailabilityDomain string
	// FaultDomain is OCI's name of it; empty where OCI names none.
	FaultDomain string
	// Shape is the shape's name.
	Shape string
}

// Candidate is a place to try.
type Candidate struct {
	Place
	// FailureDomain is the availability domain's name in the cluster, such as alice-ad-1.
	FailureDomain string
	// Reason says why the place comes where it comes in the order.
	Reason string
}

// RejectionReason is why a place is no candidate, in one word.
type RejectionReason string

const (
	// NotSelected means that the machine's spec.accounts leaves the account out.
	NotSelected RejectionReason = "NotSelected"
	// ControlPlaneNotAllowed means that the account is for workers only.
	ControlPlaneNotAllowed RejectionReason = "ControlPlaneNotAllowed"
	// AccountNotReady means that nothing can be placed in the account at present.
	AccountNotReady RejectionReason = "AccountNotReady"
	// OtherFailureDomain means that the machine has to be in another failure domain.
	OtherFailureDomain RejectionReason = "OtherFailureDomain"
	// Short means that the place had no room a short while ago.
	Short RejectionReason = "Short"
	// Refused means that the account refused the machine's launch there a short while ago.
	Refused RejectionReason = "Refused"
	// OverBudget means that the account's budget would be exceeded.
	OverBudget RejectionReason = "OverBudget"
	// SizeUnknown means that it is not known how large machines are of which the budget bounds the
	// size.
	SizeUnknown RejectionReason = "SizeUnknown"
	// OverLimit means that one of OCI's own limits would be exceeded.
	OverLimit RejectionReason = "OverLimit"
	// Unsuitable means that the place has been refused for this machine.
	Unsuitable RejectionReason = "Unsuitable"
)

// Rejection is a place that is no candidate, with what is within it: an empty part of the Place
// stands for all.
type Rejection struct {
	Place
	Reason RejectionReason
	// Message says it to people.
	Message string
	// Until is when a shortage or a refusal ends; zero for all other reasons.
	Until time.Time
	// Kind is that of the error of a refusal; empty for all other reasons.
	Kind string
}

// Decision is the answer.
type Decision struct {
	// Candidates in the order in which they are to be tried.
	Candidates []Candidate
	// Rejections cover everything that is no candidate.
	Rejections []Rejection
	// UnknownFailureDomain is set when the failure domain asked for is none of the cluster's.
	UnknownFailureDomain bool
}

// NextTry is when the first shortage ends; zero if nothing is short.
func (d Decision) NextTry() time.Time {
	var next time.Time
	for _, rejection := range d.Rejections {
		if !rejection.Until.IsZero() && (next.IsZero() || rejection.Until.Before(next)) {
			next = rejection.Until
		}
	}
	return next
}
