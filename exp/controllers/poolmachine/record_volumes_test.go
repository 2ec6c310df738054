// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// A manager that ends right after it has asked for the end is followed by one that knows what goes
// with the instance.
func TestVolumesAreRecordedBeforeTheEndIsAskedFor(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.launchPool(t, 1, tagsOf(uid, b.Namespace, "workers"))
	object := b.nodeOf(t)
	b.untilConditions(t, object, "False Joining", "True Ready", "False Joining")
	g.Expect(b.Client.Delete(t.Context(), object)).To(Succeed())

	b.pass(t, g, object)

	helpers.ExpectConditions(t, object, "Ready False WaitingForTermination", "InstanceReady False Deleting", "TailnetReady False Deleting",
		"Deleting True WaitingForTermination", "Paused False NotPaused")
	g.Expect(object.Status.Leaving.VolumeIDs).To(HaveLen(1))
	g.Expect(object.Status.Leaving.RecordedAt.IsZero()).To(BeFalse())
	b.expectUntouched(t)
	b.pass(t, g, object)
	g.Expect(b.calls("DetachInstancePoolInstance")).To(Equal(1))
}

func TestVolumesThatCannotBeListedHoldTheEndUp(t *testing.T) {
	for _, operation := range []string{"ListVolumeAttachments", "ListVolumes"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			object := b.node(t)
			b.OCI.AddFault(sim.Fault{Operation: operation, Status: 503, Code: "ServiceUnavailable", Times: -1})
			b.untilDeletionWaits(t, object, "WaitingForAccount")
			g.Expect(object.Status.Leaving.RecordedAt.IsZero()).To(BeTrue())
			b.expectUntouched(t)

			b.OCI.ClearFaults()
			b.untilGone(t, object)
			g.Expect(b.volumes(t)).To(BeZero())
		})
	}
}
