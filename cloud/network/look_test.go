// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"maps"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// exactly is an account that answers the same way each time, in pages that hold everything, and
// does not list for a while what is new.
func exactly(options *sim.Options) {
	options.Seed, options.PageSize = 0, 100
	options.Delays = &sim.Delays{Network: 50 * time.Millisecond, ListLag: 20 * time.Millisecond, Retention: time.Minute}
}

// callsBut are the calls since the last reset, without those that wait for OCI.
func (b *bench) callsBut(waiting ...string) map[string]int {
	calls := b.sim.CallCounts("")
	maps.DeleteFunc(calls, func(operation string, _ int) bool {
		for _, name := range waiting {
			if operation == name {
				return true
			}
		}
		return false
	})
	return calls
}

// learned is far more time than the parts of a simulated network take.
func learned() *cloud.Waits {
	waits := &cloud.Waits{First: 5 * time.Millisecond}
	waits.Begin(Part, time.Now().Add(-400*time.Millisecond)).Finished(time.Now())
	return waits
}

// cleared deletes the network until it is gone. Nothing foreign is in it.
func (b *bench) cleared(vcnID string, waits *cloud.Waits) {
	b.t.Helper()
	clearing := NewClearing(waits)
	b.g.Eventually(func(g Gomega) bool {
		removal, err := Delete(b.t.Context(), b.client, b.owner, vcnID, clearing)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(removal.InUse).To(BeEmpty())
		return removal.Gone
	}, patience, time.Millisecond).Should(BeTrue())
	b.expectLeft(0)
}

func (b *bench) made(look *Look, port int) State {
	b.t.Helper()
	var state State
	b.g.Eventually(func(g Gomega) bool {
		var err error
		state, err = Ensure(b.t.Context(), look, b.owner, spec(), "", port)
		g.Expect(err).NotTo(HaveOccurred())
		return state.Ready
	}, patience, time.Millisecond).Should(BeTrue())
	return state
}

func TestWhatWasMadeHereIsNotListed(t *testing.T) {
	b := newBench(t, exactly)
	waits := &cloud.Waits{First: 5 * time.Millisecond}

	state := b.made(NewLook(b.client, waits), 6443)

	b.g.Expect(b.callsBut("GetSubnet")).To(Equal(map[string]int{
		"ListVcns": 1, "CreateVcn": 1, "UpdateSecurityList": 1, "CreateInternetGateway": 1, "CreateRouteTable": 1,
		"CreateNetworkSecurityGroup": 2, "ListNetworkSecurityGroupSecurityRules": 2, "AddNetworkSecurityGroupSecurityRules": 2,
		"CreateSubnet": 1,
	}))
	b.g.Expect(b.ready(spec()).SubnetID).To(Equal(state.SubnetID), "another look finds it as it should be")
	b.expectLeft(6)
}

func TestNobodyAsksForASubnetBeforeItCanBeThere(t *testing.T) {
	b := newBench(t, exactly)
	look := NewLook(b.client, &cloud.Waits{First: time.Hour})
	for range 10 {
		state, err := Ensure(t.Context(), look, b.owner, spec(), "", 0)
		b.g.Expect(err).NotTo(HaveOccurred())
		b.g.Expect(state.Ready).To(BeFalse())
	}
	b.g.Expect(b.sim.CallCounts("")).NotTo(Or(HaveKey("GetSubnet"), HaveKey("ListSubnets")))
	b.g.Expect(look.After()).To(BeNumerically("~", time.Hour, time.Minute))
}

func TestANetworkOfAnotherProcessIsLookedAtOnce(t *testing.T) {
	b := newBench(t, exactly)
	state := b.ready(spec())
	b.sim.ResetCalls()
	look := NewLook(b.client, &cloud.Waits{})

	b.g.Expect(b.made(look, 0).SubnetID).To(Equal(state.SubnetID))

	b.g.Expect(b.sim.CallCounts("")).To(Equal(map[string]int{
		"ListVcns": 1, "GetSecurityList": 1, "ListInternetGateways": 1, "ListRouteTables": 1, "ListNetworkSecurityGroups": 1,
		"ListNetworkSecurityGroupSecurityRules": 1, "ListSubnets": 1,
	}))
}

func TestThePartsOfANetworkAreListedOnceBeforeTheyGo(t *testing.T) {
	b := newBench(t, exactly)
	waits := learned()
	state := b.made(NewLook(b.client, waits), 6443)
	// Lists show all of it.
	b.g.Eventually(func() State { return b.readyFor(spec(), 6443) }, patience, time.Millisecond).Should(Equal(state))
	b.sim.ResetCalls()

	b.cleared(state.VCNID, waits)

	b.g.Expect(b.sim.CallCounts("")).To(Equal(map[string]int{
		"ListVcns": 2, "ListSubnets": 1, "DeleteSubnet": 1, "ListNetworkSecurityGroups": 1, "DeleteNetworkSecurityGroup": 2,
		"ListRouteTables": 1, "UpdateRouteTable": 1, "ListInternetGateways": 1, "DeleteInternetGateway": 1, "DeleteRouteTable": 1,
		"DeleteVcn": 1, "GetVcn": 1,
	}))
	b.expectLeft(0)
}

// What was asked for is no proof that it is gone: OCI refuses the next step while it is there.
func TestWhatTakesLongerThanItTookIsListed(t *testing.T) {
	for _, refused := range []struct {
		operation string
		lists     map[string]int
	}{
		{"DeleteRouteTable", map[string]int{"ListSubnets": 2, "ListRouteTables": 2, "ListNetworkSecurityGroups": 1}},
		{"DeleteVcn", map[string]int{"ListSubnets": 1, "ListRouteTables": 2, "ListNetworkSecurityGroups": 1}},
	} {
		t.Run(refused.operation, func(t *testing.T) {
			b := newBench(t, exactly)
			waits := learned()
			state := b.made(NewLook(b.client, waits), 0)
			b.sim.AddFault(sim.Fault{Operation: refused.operation, Status: 409, Code: "Conflict", Message: "something is in it"})
			b.sim.ResetCalls()

			b.cleared(state.VCNID, waits)

			for operation, count := range refused.lists {
				b.g.Expect(b.sim.CallCounts("")).To(HaveKeyWithValue(operation, count))
			}
			b.g.Expect(b.sim.CallCounts("")).To(HaveKeyWithValue(refused.operation, 2))
		})
	}
}

// Nor is what nobody waits for gone: OCI refuses the VCN's deletion, and all parts are listed
// again.
func TestAPartThatStaysIsFoundAgain(t *testing.T) {
	b := newBench(t, exactly)
	waits := learned()
	state := b.made(NewLook(b.client, waits), 0)
	b.sim.AddFault(sim.Fault{Operation: "DeleteVcn", Status: 409, Code: "IncorrectState", Message: "a network security group is in it", Times: 2})
	b.sim.ResetCalls()

	b.cleared(state.VCNID, waits)

	b.g.Expect(b.sim.CallCounts("")).To(HaveKeyWithValue("ListNetworkSecurityGroups", 2))
	b.g.Expect(b.sim.CallCounts("")).To(HaveKeyWithValue("DeleteVcn", 3))
}

func TestAGatewayThatNothingIsRoutedToIsFound(t *testing.T) {
	b := newBench(t, exactly)
	waits := learned()
	state := b.made(NewLook(b.client, waits), 0)
	_, err := b.client.CreateNATGateway(t.Context(), oci.GatewaySpec{VCNID: state.VCNID, DisplayName: "left", Tags: b.owner.Tags()})
	b.g.Expect(err).NotTo(HaveOccurred())

	b.cleared(state.VCNID, waits)
}
