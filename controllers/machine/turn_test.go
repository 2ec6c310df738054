// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
)

func TestADeletionThatWaitsForItsTurnDoesNotBlameTheAccount(t *testing.T) {
	g := NewWithT(t)
	limits := oci.Unlimited()
	limits.Deletes = oci.Budget{PerSecond: 1.0 / 60, Burst: 1}
	b := newBench(t, helpers.WorldOptions{Limits: &limits})
	first, second := b.machine(t, "first"), b.machine(t, "second")
	b.untilProvisioned(t, first)
	b.untilProvisioned(t, second)
	b.delete(t, first)

	g.Expect(b.Client.Delete(t.Context(), second)).To(Succeed())
	result := b.pass(t, second)
	b.Reload(t, second)
	g.Expect(result.RequeueAfter).To(BeNumerically(">", time.Second))
	g.Expect(b.calls("TerminateInstance")).To(Equal(1))
	helpers.ExpectConditions(t, second, "Ready False Deleting", "Placed True Ready", "InstanceReady False Deleting",
		"TailnetReady False Deleting", "Deleting True Deleting", "Paused False NotPaused")

	b.sleep(2 * time.Minute)
	b.delete(t, second)
	b.expectNothingLeft(t)
}
