// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestAnAccountThatDoesNotAnswerProvesNothing(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.OCI.AddFault(sim.Fault{Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})

	b.until(t, "Remediated Unknown NotAuthorizedOrNotFound")

	g.Expect(b.ownerIsAsked()).To(BeFalse())
	g.Expect(b.own.Status.Attempts).To(BeEmpty())
	b.OCI.ClearFaults()
	b.untilSent(t, infrav1.RemediationSoftReset)
}

func TestAnInstanceOfAnotherManagementClusterIsLeftAlone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	// This one has seen the other's claim stand: see ownership.Judge.
	b.infra.Status.Claim = infrav1.ClaimStatus{ManagementCluster: "here", State: infrav1.ClaimElsewhere}
	g.Expect(b.Client.Status().Update(t.Context(), b.infra)).To(Succeed())
	_, err := b.oci.UpdateInstanceTag(t.Context(), ownership.Recorded(b.infra.Status.Instance.ID), oci.TagChange{
		Key: infrav1.HeldByTag, To: ownership.Claim{Holder: "there", Since: time.Now()}.String(),
	})
	g.Expect(err).NotTo(HaveOccurred())
	b.r.Claims = claims.New("here", 0)

	b.until(t, "Remediated False HeldElsewhere")

	b.pass(t)
	g.Expect(b.actions()).To(BeZero())
	g.Expect(b.ownerIsAsked()).To(BeFalse())
}
