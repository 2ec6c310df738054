// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// later is a clock that is ahead of the real one.
type later struct{ ahead atomic.Int64 }

func (c *later) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (*later) AfterFunc(d time.Duration, f func()) { time.AfterFunc(d, f) }

// To replace all free-form tags is what "oci network vcn update --freeform-tags" does.
func TestANetworkThatLostItsTagsIsLeftAlone(t *testing.T) {
	clock := &later{}
	b := newBench(t, func(o *sim.Options) { o.Clock = clock })
	state := b.ready(spec())
	b.vcn = state.VCNID
	b.g.Expect(b.client.UpdateVCNTags(t.Context(), ownership.Recorded(b.vcn), map[string]string{"cost": "x"})).To(Succeed())
	clock.ahead.Store(int64(25 * time.Hour))

	_, err := Ensure(t.Context(), b.client, b.owner, spec(), b.vcn, 0)
	b.g.Expect(cloud.KindOf(err)).To(Equal(cloud.InvalidRequest))
	b.g.Expect(err).To(MatchError(ContainSubstring("put the tags back")))
	b.expectLeft(5)

	removal, err := Delete(t.Context(), b.client, b.owner, b.vcn, NewClearing(&cloud.Waits{}))
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(removal).To(Equal(Removal{Gone: true, Untagged: true}))
	b.expectLeft(5)

	b.g.Expect(b.client.UpdateVCNTags(t.Context(), ownership.Recorded(b.vcn), b.owner.Tags())).To(Succeed())
	again := b.ready(spec())
	b.g.Expect(again.SubnetID).To(Equal(state.SubnetID))
	b.gone(b.vcn)
	b.expectLeft(0)
}

func TestAVCNThatAListMissesIsFoundByItsRecord(t *testing.T) {
	b := newBench(t, exactly, func(o *sim.Options) { o.Delays.ListLag = time.Hour })
	state := b.made(NewLook(b.client, &cloud.Waits{}), 0)
	b.sim.ResetCalls()

	again, err := Ensure(t.Context(), b.client, b.owner, spec(), state.VCNID, 0)

	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(again.VCNID).To(Equal(state.VCNID))
	b.g.Expect(b.sim.CallCounts("")).NotTo(HaveKey("CreateVcn"))
}
