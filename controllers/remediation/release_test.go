// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestAHealedMachineDoesNotSayThatItIsRepaired(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.untilSent(t, infrav1.RemediationSoftReset)
	g.Expect(conditions.Has(b.machine, clusterv1.MachineExternallyRemediatedCondition)).To(BeTrue())

	// What a MachineHealthCheck does.
	g.Expect(b.Client.Delete(t.Context(), b.own)).To(Succeed())
	b.pass(t)

	b.ExpectGone(t, b.own)
	g.Expect(conditions.Has(b.machine, clusterv1.MachineExternallyRemediatedCondition)).To(BeFalse())
	g.Expect(conditions.Has(b.machine, clusterv1.MachineHealthCheckSucceededCondition)).To(BeTrue())
}
