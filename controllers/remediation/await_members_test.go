// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// beside is a second unhealthy machine of the cluster, with its request.
func (b *bench) beside(t *testing.T, name string) *bench {
	t.Helper()
	g := NewWithT(t)
	cluster := &clusterv1.Cluster{}
	g.Expect(b.Client.Get(t.Context(), client.ObjectKey{Namespace: b.Namespace, Name: b.machine.Spec.ClusterName}, cluster)).To(Succeed())
	other := &bench{World: b.World, oci: b.oci, r: b.r, machine: helpers.NewMachine(cluster, name)}
	b.Create(t, other.machine)
	other.machine.Status.NodeRef = clusterv1.MachineNodeReference{Name: name}
	other.setHealth(t, metav1.ConditionFalse)
	other.infra = helpers.NewOCIMeshMachine(other.machine)
	b.Create(t, other.infra)
	other.infra.Status.Placement = b.infra.Status.Placement
	other.infra.Status.Instance.ID = other.launch(t, identity.OfMachine(other.infra).Tags())
	g.Expect(b.Client.Status().Update(t.Context(), other.infra)).To(Succeed())
	other.own = b.request(t, other.machine)
	return other
}

func TestControlPlanesAreResetOneAfterTheOther(t *testing.T) {
	t.Parallel()
	for name, controlPlanes := range map[string]bool{"control planes": true, "workers": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			first := newBench(t)
			second := first.beside(t, "second")
			for _, b := range []*bench{first, second} {
				if controlPlanes {
					b.machine.Labels[clusterv1.MachineControlPlaneLabel] = ""
					g.Expect(b.Client.Update(t.Context(), b.machine)).To(Succeed())
				}
			}
			first.untilSent(t, infrav1.RemediationSoftReset)
			if !controlPlanes {
				second.untilSent(t, infrav1.RemediationSoftReset)
				return
			}
			second.until(t, "Remediated False Repairing")
			second.expectUntouched(t)
			g.Expect(helpers.MessageOf(second.own, infrav1.RemediatedCondition)).To(ContainSubstring("Waiting for control plane " + first.machine.Name))
			g.Expect(second.own.Status.Attempts).To(BeEmpty())

			// It had its time, and the other has its turn.
			first.timeOut(t)
			second.untilSent(t, infrav1.RemediationSoftReset)
			first.expectUntouched(t)
			g.Expect(helpers.MessageOf(first.own, infrav1.RemediatedCondition)).To(ContainSubstring("Waiting for control plane second"))

			// A stopped one runs no member of etcd, and is started whatever the others do.
			first.stop(t)
			first.untilSent(t, infrav1.RemediationStart)
		})
	}
}
