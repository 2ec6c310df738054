// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// Whoever deletes the OCIMeshCluster by force leaves devices to remove by hand, but no instances.
func TestWithoutItsClusterAPoolEndsWhatIsInOCIAndSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	infra := &infrav1.OCIMeshCluster{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: b.cluster.Name}}
	g.Expect(b.Client.Delete(t.Context(), infra)).To(Succeed())
	g.Expect(b.Client.Delete(t.Context(), b.own)).To(Succeed())

	b.until(t, func(g Gomega) {
		g.Expect(b.instances(t)).To(BeEmpty())
		g.Expect(b.left(t, "instancepool") + b.left(t, "volume")).To(BeZero())
		for _, machine := range b.machines(t) {
			g.Expect(helpers.ConditionsOf(&machine)).To(ContainElement("Deleting True TailnetNotFound"))
		}
	})
}
