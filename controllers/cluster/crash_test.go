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
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
)

// One account is enough: accounts are dealt with one beside the other, and share nothing but the
// object.
func TestAProcessKilledAtAnyCallDuplicatesNothingAndLeavesNothing(t *testing.T) {
	for name, change := range map[string]change{
		"VIP":                   func(*clusterv1.Cluster, *infrav1.OCIMeshCluster) {},
		"network load balancer": balanced(infrav1.EndpointNetworkLoadBalancer),
		"load balancer":         balanced(infrav1.EndpointLoadBalancer),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			helpers.KillEverywhere(t, func(t *testing.T, at *helpers.Boundary) *helpers.Mortal {
				l := newLife(t, at)
				l.live(change)
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

func newLife(t *testing.T, at *helpers.Boundary) *life {
	t.Helper()
	l := &life{mortal: helpers.NewMortal(t, env)}
	l.bench = newBench(t, helpers.WorldOptions{Accounts: 1, Mortal: l.mortal})
	l.begin()
	l.mortal.Watch(at)
	return l
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
	infra := l.cluster("c1", change)
	key := client.ObjectKeyFromObject(infra)
	l.g.Eventually(func(g Gomega) {
		g.Expect(l.step(infra)).To(Succeed())
		g.Expect(env.Client.Get(l.t.Context(), key, infra)).To(Succeed())
		g.Expect(helpers.ConditionsOf(infra)).To(ContainElement("Ready True Ready"), "%v", infra.Status)
	}, timeout, 5*time.Millisecond).Should(Succeed())
	left, err := l.OCI.Leftovers(l.Tenancies[0].Name)
	l.g.Expect(err).NotTo(HaveOccurred())
	known := map[string]bool{}
	for _, resource := range left {
		name := resource.Kind + " " + resource.DisplayName
		l.g.Expect(known).NotTo(HaveKey(name))
		known[name] = true
	}

	l.g.Expect(env.Client.Delete(l.t.Context(), infra)).To(Succeed())
	l.g.Eventually(func(g Gomega) {
		g.Expect(l.step(infra)).To(Succeed())
		err := env.Client.Get(l.t.Context(), key, infra)
		g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "%v", infra.Status)
	}, timeout, 5*time.Millisecond).Should(Succeed())
	l.ExpectNothingLeft(l.t)
	l.Reload(l.t, l.Tailnet)
	l.g.Expect(l.Tailnet.Status.VIPAllocations).To(BeEmpty())
	for _, kind := range []string{"POST oci vcns", "POST oci subnets", "POST oci networkLoadBalancers", "POST oci loadBalancers"} {
		l.g.Expect(len(l.mortal.Made(kind))).To(BeNumerically("<=", 1), kind)
	}
}
