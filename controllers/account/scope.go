// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/pools"
)

// scope is what one reconcile knows.
type scope struct {
	phases.Pass
	account *infrav1.OCIAccount
	// users are the clusters that use the account, machines the number of machines placed in it,
	// pooled the machine pools with something in it. Set by findUsers; users are nil if it failed.
	users    []infrav1.ObjectUser
	machines int
	pooled   pools.Users
	// client is nil without usable credentials. Set by connect.
	client *oci.Client
	// availabilityDomains are nil if they were not read. Set by domains.
	availabilityDomains []infrav1.AvailabilityDomain
	// strays are what a new poll has shown of them; nil if there was none. Set by strays.
	strays *straysSeen
}

func (r *Reconciler) newScope(account *infrav1.OCIAccount) *scope {
	return &scope{Pass: phases.Pass{Intervals: r.Options.withDefaults().Intervals}, account: account}
}
