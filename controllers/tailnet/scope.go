// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// scope is what one reconcile knows.
type scope struct {
	tailnet *infrav1.Tailnet
	// users are the clusters that use the tailnet. Set by findUsers.
	users []infrav1.ObjectUser
	// client is set by connect if there are usable credentials.
	client *tailnet.Client
	// checked is set by check; problem is what is wrong, nil if nothing is.
	checked bool
	problem *access.Problem
	// full says that the check tried out all, which it does once in a while. Set by check.
	full bool
	// strays are what the lists have shown of them; nil if there was none. Set by strays.
	strays *straysSeen
	// waitsFor is what holds up a deletion. Set by remove.
	waitsFor *access.Problem
}
