// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"net/netip"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// scope is what one reconcile knows.
type scope struct {
	phases.Pass
	tailnet *infrav1.Tailnet
	// users are the clusters that use the tailnet. Set by findUsers; nil if it failed.
	users []infrav1.ObjectUser
	// pods are how the clusters that use the tailnet carry the pods' traffic. Set by findUsers.
	pods []infrav1.PodNetworkMode
	// podRanges are those that the tailnet has routes to. Set by findUsers.
	podRanges []netip.Prefix
	// occupied is a range of one of the users that has addresses of the vipRange, and whose it is.
	// Set by findUsers.
	occupied string
	// client is nil without usable credentials. Set by connect.
	client *tailnet.Client
	// checked says that the check found nothing wrong, full that it tried out all, which it does
	// once in a while. Set by check.
	checked, full bool
	// policy is what it lacks; nil if it was not read. Set by policy.
	policy *tailnet.PolicyFindings
	// strays are what the lists have shown of them; nil if there was none. Set by strays.
	strays *straysSeen
}

func (r *Reconciler) newScope(tn *infrav1.Tailnet) *scope {
	return &scope{Pass: phases.Pass{Intervals: r.Options.withDefaults().Intervals}, tailnet: tn}
}
