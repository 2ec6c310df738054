// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestChangesBehindTheProvidersBackAreRepaired(t *testing.T) {
	t.Parallel()
	for _, kind := range balancedTypes {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			b.r.Options.NetworkInterval = time.Nanosecond
			infra := b.cluster("c1", balanced(kind))
			b.until(infra, "Ready True Ready")
			machine := b.machineIn(infra, "m1", b.Accounts[0].Name)
			helpers.Update(t, env, machine, func(m *infrav1.OCIMeshMachine) { m.Labels[clusterv1.MachineControlPlaneLabel] = "" })
			machine.Status.Instance = infrav1.InstanceStatus{ID: "ocid1.instance.x", State: "RUNNING", PrivateIP: "10.0.0.77"}
			machine.Status.Backend.Name = "seen-before"
			b.g.Expect(env.Client.Status().Update(t.Context(), machine)).To(Succeed())
			service, id := b.service(kind), infra.Status.LoadBalancer.ID
			_, err := service.UpdateListener(t.Context(), ownership.Recorded(id), "api-server", oci.Listener{Port: 443, Protocol: "TCP", BackendSet: "control-planes"})
			b.g.Expect(err).NotTo(HaveOccurred())
			b.g.Eventually(func() int { return b.balancerOf(infra).Listeners["api-server"].Port }, timeout, time.Millisecond).Should(Equal(443))

			b.until(infra, "EndpointReady False EndpointProvisioning")
			b.until(infra, "Ready True Ready")

			found := b.balancerOf(infra)
			b.g.Expect(found.Listeners["api-server"].Port).To(Equal(6443))
			b.g.Expect(found.BackendSets["control-planes"].Backends).To(HaveLen(1), "a machine that was behind it is again")
			b.g.Expect(env.Client.Delete(t.Context(), machine)).To(Succeed())
			b.deleted(infra)
			b.ExpectNothingLeft(t)
		})
	}
}
