// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// One account is enough: accounts are dealt with one beside the other, and share nothing but the
// object. One kind has a network made; that of the others is there, since a process that is killed
// while it makes a network does not know of the endpoint yet.
func TestAProcessKilledAtAnyCallDuplicatesNothingAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, endpointType := range helpers.EndpointTypes(t) {
		if endpointType == infrav1.EndpointExternal {
			// It makes nothing.
			continue
		}
		t.Run(string(endpointType), func(t *testing.T) {
			t.Parallel()
			makeNetwork := endpointType == infrav1.EndpointNetworkLoadBalancer
			helpers.KillEverywhere(t, func(t *testing.T, at *helpers.Boundary) *helpers.Mortal {
				l := newLife(t)
				own := withEndpoint(endpointType)
				if !makeNetwork {
					own = withEndpoint(endpointType, inNetworkOf(l.neighbor()))
				}
				l.mortal.Watch(at)
				l.live(own)
				return l.mortal
			})
		})
	}
}

// life is a bench whose processes can be killed.
type life struct {
	*bench
	mortal *helpers.Mortal
}

func newLife(t *testing.T) *life {
	t.Helper()
	l := &life{mortal: helpers.NewMortal(t, env)}
	l.bench = newBench(t, helpers.WorldOptions{Accounts: 1, Mortal: l.mortal})
	l.begin()
	return l
}

// neighbor is another cluster in the account, which has a network.
func (l *life) neighbor() *infrav1.OCIMeshCluster {
	l.t.Helper()
	other := l.cluster("neighbor", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.EndpointType, infra.Spec.ControlPlaneEndpoint.Host = infrav1.EndpointExternal, "api.example.com"
	})
	l.until(other, "Ready True Ready")
	return other
}

// begin is the start of a process: nothing is remembered.
func (l *life) begin() {
	l.r = &Reconciler{
		Client: l.mortal.Client, Reader: l.mortal.Client, Options: Options{ListLag: time.Millisecond},
		Clients: access.New(access.Options{Client: l.mortal.Client, RequestTimeout: 10 * time.Second, Limits: oci.Unlimited()}),
	}
}

// step is a pass of the process that lives. One that dies leaves the rest to the next.
func (l *life) step(infra *infrav1.OCIMeshCluster) error {
	_, err := l.r.Reconcile(l.mortal.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(infra)})
	if l.mortal.Dead() {
		l.mortal.Restart()
		l.begin()
		return nil
	}
	return err
}

// live has a cluster made and deleted.
func (l *life) live(change change) {
	before := l.leftovers()
	infra := l.cluster("c1", change)
	key := client.ObjectKeyFromObject(infra)
	l.g.Eventually(func(g Gomega) {
		g.Expect(l.step(infra)).To(Succeed())
		g.Expect(env.Client.Get(l.t.Context(), key, infra)).To(Succeed())
		g.Expect(helpers.ConditionsOf(infra)).To(ContainElement("Ready True Ready"), "%v", infra.Status)
	}, timeout, l.pause).Should(Succeed())
	known := map[string]bool{}
	for _, name := range l.leftovers() {
		l.g.Expect(known).NotTo(HaveKey(name))
		known[name] = true
	}

	l.g.Expect(env.Client.Delete(l.t.Context(), infra)).To(Succeed())
	l.g.Eventually(func(g Gomega) {
		g.Expect(l.step(infra)).To(Succeed())
		err := env.Client.Get(l.t.Context(), key, infra)
		g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "%v", infra.Status)
	}, timeout, l.pause).Should(Succeed())
	l.g.Expect(l.leftovers()).To(ConsistOf(before))
	l.Reload(l.t, l.Tailnet)
	l.g.Expect(l.Tailnet.Status.VIPAllocations).To(BeEmpty())
	for _, kind := range []string{"POST oci vcns", "POST oci subnets", "POST oci networkLoadBalancers", "POST oci loadBalancers"} {
		l.g.Expect(len(l.mortal.Made(kind))).To(BeNumerically("<=", 1), kind)
	}
}

// leftovers are the kinds and names of what the account has.
func (l *life) leftovers() []string {
	left, err := l.OCI.Leftovers(l.Tenancies[0].Name)
	l.g.Expect(err).NotTo(HaveOccurred())
	names := []string{}
	for _, resource := range left {
		names = append(names, resource.Kind+" "+resource.DisplayName)
	}
	return names
}
