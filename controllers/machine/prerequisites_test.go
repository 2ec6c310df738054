// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestNothingIsDoneBeforeItsTime(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})

	waiting := b.machine(t, "waiting", func(machine *clusterv1.Machine, _ *infrav1.OCIMeshMachine) {
		machine.Spec.Bootstrap = clusterv1.Bootstrap{ConfigRef: clusterv1.ContractVersionedObjectReference{
			APIGroup: "bootstrap.cluster.x-k8s.io", Kind: "KubeadmConfig", Name: "waiting",
		}}
	})
	b.untilCondition(t, waiting, "Placed False WaitingForBootstrapData")
	helpers.ExpectConditions(t, waiting,
		"Ready False WaitingForBootstrapData", "Placed False WaitingForBootstrapData", "InstanceReady False Waiting",
		"TailnetReady False Waiting", "Deleting False NotDeleting", "Paused False NotPaused")

	orphan := helpers.NewOCIMeshMachine(&clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "orphan"}})
	orphan.OwnerReferences = nil
	b.Create(t, orphan)
	b.pass(t, orphan)
	b.Reload(t, orphan)
	g.Expect(orphan.Finalizers).To(BeEmpty(), "the Machine controller comes first")

	b.cluster.Status.Initialization.InfrastructureProvisioned = nil
	g.Expect(b.Client.Status().Update(t.Context(), b.cluster)).To(Succeed())
	early := b.machine(t, "early")
	b.untilCondition(t, early, "Placed False WaitingForClusterInfrastructureReady")
	g.Expect(b.calls("LaunchInstance")).To(BeZero())
	g.Expect(b.calls("ListImages")).To(BeZero())
	for _, own := range []*infrav1.OCIMeshMachine{waiting, early} {
		b.delete(t, own)
	}
}

type badTailnet struct {
	spoil  func(*testing.T, *bench)
	reason string
	fix    func(*testing.T, *bench)
}

// badTailnets are what is wrong with a tailnet, the reason that is told, and the fix.
var badTailnets = map[string]badTailnet{
	"a revoked OAuth client": {
		func(_ *testing.T, b *bench) {
			b.Control.RevokeClient(string(b.TailnetCredentials.Data[infrav1.TailnetClientIDKey]))
		},
		"AuthenticationFailed",
		func(t *testing.T, b *bench) {
			fresh := b.Control.AddClient([]string{"auth_keys", "devices:core", "devices:routes"}, []string{helpers.ProviderTag})
			helpers.Update(t, b.Environment, b.TailnetCredentials, func(secret *corev1.Secret) {
				secret.Data = map[string][]byte{
					infrav1.TailnetClientIDKey: []byte(fresh.ID), infrav1.TailnetClientSecretKey: []byte(fresh.Secret),
				}
			})
		},
	},
	"a tag that the policy does not have": {
		func(_ *testing.T, b *bench) { _ = b.Control.SetPolicy(nil, nil) }, "TagNotPermitted",
		func(_ *testing.T, b *bench) {
			_ = b.Control.SetPolicy(map[string][]string{helpers.ProviderTag: {}, helpers.NodeTag: {helpers.ProviderTag}}, nil)
		},
	},
	"an unreachable server": {
		func(_ *testing.T, b *bench) { b.Control.SetUnreachable(true) }, "Unavailable",
		func(_ *testing.T, b *bench) { b.Control.SetUnreachable(false) },
	},
	"a server that throttles": {
		func(_ *testing.T, b *bench) {
			b.Control.Inject(tailnetsim.Fault{Operation: tailnetsim.OpCreateKey, Status: 429, RetryAfter: 1, Times: 1})
		},
		"Throttled", func(*testing.T, *bench) {},
	},
	"a tailnet that does not allow the namespace": {
		func(t *testing.T, b *bench) {
			helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) {
				tn.Spec.AllowedNamespaces.List = []string{"somebody-elses"}
			})
		},
		"NamespaceNotAllowed",
		func(t *testing.T, b *bench) {
			helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) {
				tn.Spec.AllowedNamespaces.List = []string{b.Namespace}
			})
		},
	},
}

func TestABadTailnetIsToldAndHealsWhenFixed(t *testing.T) {
	t.Parallel()
	for name, world := range badTailnets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			world.spoil(t, b)
			own := b.machine(t, "machine")
			b.untilCondition(t, own, "Ready False "+world.reason)
			g.Expect(b.calls("LaunchInstance")).To(BeZero())
			world.fix(t, b)
			b.untilProvisioned(t, own)
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}
