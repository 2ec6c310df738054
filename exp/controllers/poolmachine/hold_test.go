// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// here is the management cluster of these tests.
const here = "here"

// claimed makes an instance pool of size 0 with the pool's tags and a claim.
func (b *bench) claimed(t *testing.T, claim ownership.Claim) string {
	t.Helper()
	g, c := NewWithT(t), b.client(t)
	tags := tagsOf(uid, b.Namespace, "workers")
	id, err := c.CreateInstanceConfiguration(t.Context(), oci.LaunchSpec{
		DisplayName: "workers", Shape: shape, OCPUs: 1, MemoryGB: 6, ImageID: b.image, Tags: tags,
	}, tags)
	g.Expect(err).NotTo(HaveOccurred())
	tags[infrav1.HeldByTag] = claim.String()
	pool, err := c.CreateInstancePool(t.Context(), oci.PoolSpec{
		DisplayName: "workers", ConfigurationID: id, Tags: tags,
		Placements: []oci.PoolPlacement{{AvailabilityDomain: b.Tenancies[0].AvailabilityDomains()[0], SubnetID: b.subnet}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	return pool.ID
}

// claims is the pool's status of a claim.
func (b *bench) claims(t *testing.T, poolID string, claim infrav1.ClaimStatus) {
	t.Helper()
	pool := &expv1.OCIMeshMachinePool{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers"}}
	b.Reload(t, pool)
	pool.Status.Pool, pool.Status.Claim = expv1.InstancePoolStatus{ID: poolID, Attempt: 1}, claim
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), pool)).To(Succeed())
}

func TestAnInstanceEndsOnlyIfItsPoolIsHeldHere(t *testing.T) {
	t.Parallel()
	held := infrav1.ClaimStatus{ManagementCluster: here, State: infrav1.ClaimHeld}
	elsewhere := ownership.Claim{Holder: "there", Since: time.Now().Add(-24 * time.Hour)}
	for name, world := range map[string]struct {
		tag    ownership.Claim
		status infrav1.ClaimStatus
		// reason is what the deletion waits for; left says that the instance is left and the object
		// goes. Otherwise the instance ends.
		reason string
		left   bool
	}{
		"held here":                {tag: ownership.Claim{Holder: here, Since: time.Now()}, status: held},
		"made by an older version": {},
		"taken, which may be minded": {tag: ownership.Claim{Holder: here, Since: time.Now()}, reason: "Claiming", status: infrav1.ClaimStatus{
			ManagementCluster: here, State: infrav1.ClaimPending, TakenAt: metav1.Now(), TakenFrom: elsewhere.String(),
		}},
		"taken, the record was lost":           {tag: ownership.Claim{Holder: here, Since: time.Now().Add(-time.Minute)}, reason: "Claiming"},
		"of another one, not looked at":        {tag: elsewhere, reason: "Claiming"},
		"of another one, as was found":         {tag: elsewhere, left: true, status: infrav1.ClaimStatus{ManagementCluster: here, State: infrav1.ClaimElsewhere}},
		"of another one for long":              {tag: elsewhere, status: held, left: true},
		"claimed by another one a moment ago":  {tag: ownership.Claim{Holder: "there", Since: time.Now()}, status: held, reason: "Claiming"},
		"of another one, by a backup's status": {tag: elsewhere, reason: "Claiming", status: infrav1.ClaimStatus{ManagementCluster: "there", State: infrav1.ClaimHeld}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			b.managementCluster = here
			object, _ := b.joined(t)
			b.claims(t, b.claimed(t, world.tag), world.status)

			switch {
			case world.reason != "":
				b.untilDeletionWaits(t, object, world.reason)
				for range 3 {
					b.pass(t, g, object)
				}
				b.expectUntouched(t)
			case world.left:
				b.delete(t, object)
				b.expectUntouched(t)
				g.Expect(b.Control.Devices()).To(HaveLen(1), "the device is another one's, too")
				g.Expect(b.recorder.Events()).To(ContainElement(ContainSubstring("LeftElsewhere")))
			default:
				b.delete(t, object)
				g.Expect(b.state()).To(Equal("TERMINATED"))
			}
		})
	}
}

func TestAnInstanceWithoutAPoolHereIsLeftIfItsPoolIsHeldElsewhere(t *testing.T) {
	t.Parallel()
	for holder, ends := range map[string]bool{here: true, "there": false} {
		t.Run(holder, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			b.managementCluster = here
			object, _ := b.joined(t)
			b.claimed(t, ownership.Claim{Holder: holder, Since: time.Now()})
			pool := &expv1.OCIMeshMachinePool{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers"}}
			g.Expect(b.Client.Delete(t.Context(), pool)).To(Succeed())

			b.delete(t, object)
			if ends {
				g.Expect(b.state()).To(Equal("TERMINATED"))
			} else {
				b.expectUntouched(t)
			}
		})
	}
}

func TestAnInstanceOfAPoolThatIsHeldElsewhereIsTold(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.managementCluster = here
	object, _ := b.joined(t)
	b.claims(t, "ocid1.instancepool.oc1..x", infrav1.ClaimStatus{ManagementCluster: here, State: infrav1.ClaimElsewhere})
	b.untilConditions(t, object, "False HeldElsewhere", "False HeldElsewhere", "Unknown Waiting")
	g.Expect(helpers.MessageOf(object, infrav1.InstanceReadyCondition)).To(ContainSubstring("OCIMeshMachinePool workers"))
	b.claims(t, "ocid1.instancepool.oc1..x", infrav1.ClaimStatus{ManagementCluster: here, State: infrav1.ClaimHeld})
	b.untilConditions(t, object, "True Ready", "True Ready", "True Ready")
}
