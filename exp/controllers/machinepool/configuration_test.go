// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"crypto/rand"
	"encoding/base64"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestBootstrapDataAndSpecConcernInstancesToCome(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	first, kept := b.own.Status.Configuration, names(b.machines(t))
	made := b.calls("CreateInstanceConfiguration")
	for range 10 {
		g.Expect(b.pass(t.Context())).To(Succeed())
	}
	g.Expect(b.calls("CreateInstanceConfiguration")).To(Equal(made), "at rest no other configuration is made")

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers-bootstrap"}}
	helpers.Update(t, b.Environment, secret, func(s *corev1.Secret) { s.Data["value"] = []byte(helpers.BootstrapData + "# another token\n") })
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Configuration.Digest).NotTo(Equal(first.Digest)) })
	second := b.own.Status.Configuration
	g.Expect(second.KeyID).To(Equal(first.KeyID), "the key stays")
	g.Expect(b.recorder.Events()).NotTo(ContainElement(ContainSubstring("PoolScaling")), "each bootstrap token would make the pool not Ready")
	helpers.Update(t, b.Environment, b.own, func(p *expv1.OCIMeshMachinePool) { p.Spec.Shape.OCPUs = 4 })
	b.until(t, func(g Gomega) {
		g.Expect(b.own.Status.Configuration.Digest).NotTo(Equal(second.Digest))
		g.Expect(b.left(t, "instanceconfiguration")).To(Equal(1))
		g.Expect(b.own.Status.Capacity).To(HaveKeyWithValue(corev1.ResourceCPU, resource.MustParse("4")))
	})
	b.untilReady(t, 1)
	g.Expect(names(b.machines(t))).To(Equal(kept))

	b.scaleTo(t, 2)
	b.untilReady(t, 2)
	var sizes []float64
	for _, machine := range b.instances(t) {
		sizes = append(sizes, machine.Ocpus)
	}
	g.Expect(sizes).To(ConsistOf(2.0, 4.0))
}

func TestAnInstanceHasRoomForAllTags(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	mine := map[string]string{"team": "blue", "stage": "test"}
	b := (&bench{podNetwork: infrav1.PodNetworkVXLAN, managementCluster: "first"}).begin(t, 1,
		func(_ *clusterv1.MachinePool, p *expv1.OCIMeshMachinePool) { p.Spec.Tags = mine })

	b.untilReady(t, 1)

	tags := b.instances(t)[0].FreeformTags
	g.Expect(tags).To(HaveLen(10), "OCI takes ten: of the cluster, the pool, its claim, the spec and OCI itself")
	for key, value := range mine {
		g.Expect(tags).To(HaveKeyWithValue(key, value))
	}
}

func TestBootstrapDataThatCanNeverJoinIsToldAndHeals(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"another provider's": "#cloud-config\nwrite_files:\n- {path: /etc/rancher/k3s/config.yaml, content: x}\nruncmd: [systemctl start k3s]\n",
		"broken YAML":        "#cloud-config\nruncmd:\n- [unterminated\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, 1)
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers-bootstrap"}}
			helpers.Update(t, b.Environment, secret, func(s *corev1.Secret) { s.Data["value"] = []byte(data) })
			b.until(t, func(g Gomega) {
				g.Expect(helpers.MessageOf(b.own, infrav1.ReadyCondition)).To(ContainSubstring("cannot make a node"))
			})
			g.Expect(b.calls("CreateInstanceConfiguration")).To(BeZero())

			helpers.Update(t, b.Environment, secret, func(s *corev1.Secret) {
				s.Data["value"] = []byte("#cloud-config\nwrite_files:\n- path: /run/kubeadm/kubeadm-join-config.yaml\n  content: |\n" +
					"    nodeRegistration:\n      kubeletExtraArgs: [{name: cloud-provider, value: external}]\nruncmd: [kubeadm join]\n")
			})

			b.untilReady(t, 1)
			g.Expect(b.recorder.Events()).To(ContainElement(ContainSubstring("ExternalCloudProvider")))
		})
	}
}

func TestAPoolTellsWhichAgentsItsUserDataHasNoRoomFor(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	noise := make([]byte, 10_900)
	_, _ = rand.Read(noise)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers-bootstrap"}}
	helpers.Update(t, b.Environment, secret, func(s *corev1.Secret) {
		s.Data["value"] = []byte(helpers.BootstrapData + "# " + base64.StdEncoding.EncodeToString(noise) + "\n")
	})

	b.untilReady(t, 1)

	condition := conditions.Get(b.own, infrav1.AgentsCompleteCondition)
	g.Expect(condition).NotTo(BeNil())
	g.Expect(condition.Reason).To(Equal("NoRoomForAgent"))
	g.Expect(condition.Message).To(ContainSubstring("Without capom-members ("))
	g.Expect(b.recorder.Events()).To(ContainElement("Warning NoRoomForAgent " + condition.Message))

	helpers.Update(t, b.Environment, secret, func(s *corev1.Secret) { s.Data["value"] = []byte(helpers.BootstrapData) })
	b.until(t, func(g Gomega) { g.Expect(conditions.Get(b.own, infrav1.AgentsCompleteCondition)).To(BeNil()) })
}

// OCI may still be at it when a pool that was made empty is to have instances again.
func TestAPoolIsToldOfNoConfigurationWhoseKeyWasRevoked(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, 0)).To(Succeed())
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("PoolReady False NoCapacity"))
	})
	b.OCI.AddFault(sim.Fault{Operation: "UpdateInstancePool", Status: 409, Code: "IncorrectState", Times: 1})
	b.changeBootstrap(t, "b")
	b.look(t)
	waits := b.own.Status.Configuration.ID
	b.scaleTo(t, 0)
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Configuration.KeyID).To(BeEmpty()) })
	g.Expect(b.own.Status.Configuration.ID).To(Equal(waits))
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	pool, err := c.UpdateInstancePool(t.Context(), ownership.Recorded(b.own.Status.Pool.ID), oci.PoolChange{Size: ptr.To(1)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(pool.State).To(Equal(oci.StateScaling))
	g.Expect(pool.ConfigurationID).NotTo(Equal(waits))
	b.scaleTo(t, 1)

	b.look(t)

	pool, err = c.GetInstancePool(t.Context(), pool.ID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(pool.ConfigurationID).To(And(Equal(b.own.Status.Configuration.ID), Not(Equal(waits))))
	g.Expect(b.keys()).To(ConsistOf(b.own.Status.Configuration.KeyID))
	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, -1)).To(Succeed())
	b.untilReady(t, 1)
}
