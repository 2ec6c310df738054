// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

const unknownType infrav1.EndpointType = "Anycast"

func TestEachEndpointTypeHasAStrategyOfItsOwn(t *testing.T) {
	t.Parallel()
	r := &Reconciler{}
	worlds := map[infrav1.EndpointType]struct {
		strategy                           endpoint
		hasVIP, loadBalancer, ourAddresses bool
	}{
		infrav1.EndpointTailnetVIP:          {strategy: vipEndpoint{r}, hasVIP: true, ourAddresses: true},
		infrav1.EndpointNetworkLoadBalancer: {strategy: loadBalancerEndpoint{r}, loadBalancer: true, ourAddresses: true},
		infrav1.EndpointLoadBalancer:        {strategy: loadBalancerEndpoint{r}, loadBalancer: true, ourAddresses: true},
		infrav1.EndpointExternal:            {strategy: externalEndpoint{}},
		unknownType:                         {},
		"":                                  {},
	}
	for _, endpointType := range helpers.EndpointTypes(t) {
		NewWithT(t).Expect(worlds).To(HaveKey(endpointType))
	}
	for endpointType, want := range worlds {
		t.Run(string(endpointType), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			strategy, err := r.endpointOf(endpointType)
			if want.strategy == nil {
				g.Expect(err).To(MatchError(ContainSubstring("does not know endpointType")))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(strategy).To(Equal(want.strategy))
			}
			g.Expect(endpointType.HasVIP()).To(Equal(want.hasVIP))
			g.Expect(endpointType.HasLoadBalancer()).To(Equal(want.loadBalancer))
			infra := &infrav1.OCIMeshCluster{Spec: infrav1.OCIMeshClusterSpec{EndpointType: endpointType}}
			g.Expect(looksAlive(infra, nil)).To(BeFalse())
			infra.Spec.ControlPlaneEndpoint.Host = "10.250.0.1"
			g.Expect(looksAlive(infra, nil)).To(Equal(want.ourAddresses), "an address says that the provider has been at work")
		})
	}
}

// ofNewerVersion has the reconciler read clusters whose endpoint type a newer version accepted.
func (b *bench) ofNewerVersion() {
	accepted := func(object client.Object) {
		if infra, ok := object.(*infrav1.OCIMeshCluster); ok {
			infra.Spec.EndpointType = unknownType
		}
	}
	b.intercept(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			defer accepted(object)
			return c.Get(ctx, key, object, options...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			defer accepted(object)
			return c.Patch(ctx, object, patch, options...)
		},
	})
}

func TestForAnUnknownEndpointTypeNothingIsMadeOrRemoved(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1")
	b.ofNewerVersion()

	b.until(infra, "EndpointReady False EndpointTypeUnknown")

	helpers.ExpectConditions(t, infra, "Ready False EndpointTypeUnknown", "EndpointReady False EndpointTypeUnknown",
		"AccountsReady Unknown Waiting", "NetworkReady Unknown Waiting", "TailnetReady Unknown Waiting", "RangesDistinct Unknown Waiting",
		"Deleting False NotDeleting", "Paused False NotPaused")
	b.g.Expect(helpers.MessageOf(infra, infrav1.EndpointReadyCondition)).To(ContainSubstring("upgrade the provider"))
	b.g.Expect(b.OCI.Calls()).To(BeEmpty())
	b.g.Expect(infra.Annotations).NotTo(HaveKey(infrav1.NetworkAccountsAnnotation))
	b.Reload(t, b.Tailnet)
	b.g.Expect(b.Tailnet.Status.VIPAllocations).To(BeEmpty())

	b.restart()
	b.until(infra, "Ready True Ready")
	accounts := infra.Status.Accounts
	b.OCI.ResetCalls()
	b.ofNewerVersion()
	b.until(infra, "EndpointReady False EndpointTypeUnknown")
	b.g.Expect(infra.Status.Accounts).To(Equal(accounts), "machines find their subnets in it")
	b.g.Expect(env.Client.Delete(t.Context(), infra.DeepCopy())).To(Succeed())
	b.until(infra, "Deleting True EndpointTypeUnknown")
	b.g.Expect(b.OCI.Calls()).To(BeEmpty())

	b.restart()
	b.untilGone(infra)
	b.ExpectNothingLeft(t)
}
