// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// configurations are the OCIDs of the account's instance configurations.
func (b *bench) configurations(t *testing.T) []string {
	t.Helper()
	g := NewWithT(t)
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	all, err := c.ListInstanceConfigurations(t.Context(), nil)
	g.Expect(err).NotTo(HaveOccurred())
	var ids []string
	for _, configuration := range all {
		ids = append(ids, configuration.ID)
	}
	return ids
}

// neighbours makes a configuration of a pool with the same beginning of its name.
func (b *bench) neighbours(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	id, err := c.CreateInstanceConfiguration(t.Context(), oci.LaunchSpec{DisplayName: "workers-1", Shape: b.own.Spec.Shape.Name, OCPUs: 1, MemoryGB: 6},
		map[string]string{infrav1.MachinePoolUIDTag: "another", infrav1.MachinePoolNameTag: b.Namespace + "/workers-1"})
	g.Expect(err).NotTo(HaveOccurred())
	return id
}

func (b *bench) keySecrets(t *testing.T) []corev1.Secret {
	t.Helper()
	secrets := &corev1.SecretList{}
	NewWithT(t).Expect(b.Client.List(t.Context(), secrets, client.InNamespace(b.ManagerNamespace))).To(Succeed())
	return secrets.Items
}

func TestWhatAPoolNoLongerLaunchesFromGoes(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	first, neighbours := b.own.Status.Configuration, b.neighbours(t)

	// OCI refuses to delete the old one: instances to come are launched from the new one.
	b.OCI.AddFault(sim.Fault{Operation: "DeleteInstanceConfiguration", Status: 503, Code: "ServiceUnavailable", Times: -1})
	helpers.Update(t, b.Environment, b.own, func(own *expv1.OCIMeshMachinePool) { own.Spec.Shape.OCPUs = 4 })
	b.untilConditions(t, "Ready False Unavailable", "ConfigurationReady False Unavailable", "PoolReady True Ready",
		"InstancesReady True Ready", "TailnetReady True Ready")
	second := b.own.Status.Configuration
	g.Expect(second.KeyID).To(Equal(first.KeyID))
	g.Expect(b.configurations(t)).To(ConsistOf(first.ID, second.ID, neighbours))
	b.OCI.ClearFaults()
	b.untilReady(t, 1)
	g.Expect(b.configurations(t)).To(ConsistOf(second.ID, neighbours))

	// A key that is replaced is revoked once nobody is about to join with it.
	b.sleep(13 * time.Hour)
	b.until(t, func(g Gomega) {
		g.Expect(b.own.Status.Configuration.KeyID).NotTo(Equal(first.KeyID))
		g.Expect(b.Control.Leftovers().Keys).To(ConsistOf(HaveField("ID", b.own.Status.Configuration.KeyID)))
	})
	b.untilReady(t, 1)
	g.Expect(b.configurations(t)).To(ConsistOf(b.own.Status.Configuration.ID, neighbours))

	// At zero nobody is to join.
	g.Expect(b.keySecrets(t)).To(HaveLen(1))
	b.scaleTo(t, 0)
	b.until(t, func(g Gomega) {
		g.Expect(b.own.Status.Configuration.KeyID).To(BeEmpty())
		g.Expect(b.Control.Leftovers().Keys).To(BeEmpty())
		g.Expect(b.keySecrets(t)).To(BeEmpty())
	})
	b.untilReady(t, 0)
	helpers.ExpectConditions(t, b.own, "Ready True Ready", "ConfigurationReady True Ready", "PoolReady True Ready",
		"InstancesReady True Ready", "TailnetReady True Ready", "Deleting False NotDeleting", "Paused False NotPaused")
	g.Expect(b.own.Status.Configuration.KeyExpires.IsZero()).To(BeTrue())

	b.delete(t)
	g.Expect(b.configurations(t)).To(ConsistOf(neighbours))
}
