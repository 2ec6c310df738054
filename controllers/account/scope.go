// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// scope is what one reconcile knows.
type scope struct {
	account *infrav1.OCIAccount
	// users are the clusters that use the account, machines the number of machines placed in it.
	// Set by findUsers.
	users    []infrav1.ObjectUser
	machines int
	// client is set by connect if there are usable credentials.
	client *oci.Client
	// credentials, compartment and unavailable are what is wrong; nil if nothing is. Set by connect
	// and probe.
	credentials, compartment, unavailable *access.Problem
	// domains are set by domains if they were read.
	domains []infrav1.AvailabilityDomain
	// later says that the inventory was made a short while ago, and is due soon. Set by inventory.
	later bool
	// limitHit says that a launch was refused for a limit since the last look. Set by shortages.
	limitHit bool
	// strays are what a new poll has shown of them; nil if there was none. Set by strays.
	strays *straysSeen
	// waitsFor is what holds up a deletion. Set by remove.
	waitsFor *access.Problem
}
