// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// holdings are what the pool has in the account, by OCID.
func (b *bench) holdings(t *testing.T) []string {
	t.Helper()
	left, err := b.OCI.Leftovers(b.Tenancies[0].Name)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var all []string
	for _, resource := range left {
		if resource.Kind != "vcn" && resource.Kind != "subnet" {
			all = append(all, strings.Join([]string{resource.Kind, resource.ID, resource.LifecycleState}, " "))
		}
	}
	slices.Sort(all)
	return all
}

// forged is a machine pool that an attacker makes in a namespace of his own, with the identity that
// he reads off the victim.
func (b *bench) forged(namespace, name string) *expv1.OCIMeshMachinePool {
	return &expv1.OCIMeshMachinePool{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Finalizers: []string{expv1.OCIMeshMachinePoolFinalizer},
			Annotations: map[string]string{infrav1.IdentityAnnotation: fmt.Sprintf("%s/%s/%s", namespace, name, b.own.UID)},
			Labels:      map[string]string{clusterv1.ClusterNameLabel: b.cluster.Name, clusterv1.MachinePoolNameLabel: b.machinePool.Name},
		},
		Spec: expv1.OCIMeshMachinePoolSpec{
			Account: b.own.Spec.Account, Shape: b.own.Spec.Shape, Image: b.own.Spec.Image, ProviderIDList: b.own.Spec.ProviderIDList,
		},
	}
}

func TestADeletedForgeryTakesNothingAlong(t *testing.T) {
	for name, forge := range map[string]func(b *bench, elsewhere string) *expv1.OCIMeshMachinePool{
		"of another namespace, with another name": func(b *bench, elsewhere string) *expv1.OCIMeshMachinePool {
			return b.forged(elsewhere, "forgery")
		},
		"of another namespace, with the same name": func(b *bench, elsewhere string) *expv1.OCIMeshMachinePool {
			return b.forged(elsewhere, b.own.Name)
		},
		"of the same namespace, with another name": func(b *bench, _ string) *expv1.OCIMeshMachinePool {
			return b.forged(b.Namespace, "forgery")
		},
		"with the victim's owner references": func(b *bench, elsewhere string) *expv1.OCIMeshMachinePool {
			forged := b.forged(elsewhere, b.own.Name)
			forged.OwnerReferences = b.own.OwnerReferences
			return forged
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, 2)
			b.untilReady(t, 2)
			before := b.holdings(t)
			forged := forge(b, env.Namespace(t, nil))
			b.Create(t, forged)
			g.Expect(b.Client.Delete(t.Context(), forged)).To(Succeed())

			eventually(g, func(g Gomega) {
				_, err := b.pools.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(forged)})
				g.Expect(err).NotTo(HaveOccurred())
				err = b.Client.Get(t.Context(), client.ObjectKeyFromObject(forged), forged)
				g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "it has nothing to wait for: %v", forged.Status.Conditions)
			})

			b.untilReady(t, 2)
			g.Expect(b.holdings(t)).To(Equal(before))
			g.Expect(b.calls("TerminateInstancePool")).To(BeZero())
			g.Expect(b.calls("DeleteInstanceConfiguration")).To(BeZero())
		})
	}
}

// However many pools of namespaces that an account refuses say that they are in it, the account
// works for its own, and so does the tailnet.
func TestForgedPoolsCauseNextToNoCalls(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	elsewhere := env.Namespace(t, nil)
	cluster := helpers.NewCluster(elsewhere, b.cluster.Name)
	b.Create(t, cluster)
	b.Create(t, helpers.NewOCIMeshCluster(cluster, b.Tailnet.Name, b.AccountNames()))
	b.pools.Access = access.New(access.Options{Client: b.Client, RequestTimeout: 10 * time.Second})
	b.OCI.ResetCalls()
	b.Control.ResetCalls()
	const forgers = 10
	for i := range forgers {
		forged := b.forged(elsewhere, fmt.Sprint("forgery-", i))
		b.Create(t, forged)
		g.Expect(b.Client.Delete(t.Context(), forged)).To(Succeed())
		for range 3 {
			_, err := b.pools.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(forged)})
			g.Expect(err).NotTo(HaveOccurred())
		}
	}
	g.Expect(len(b.OCI.Calls())).To(BeNumerically("<", forgers), "%v", b.OCI.CallCounts(""))
	g.Expect(len(b.Control.Calls())).To(BeNumerically("<", forgers))
}

// neighbour is another namespace that the account and the tailnet allow, with a cluster and a pool
// of its own.
func (b *bench) neighbour(t *testing.T, change func(*clusterv1.MachinePool, *expv1.OCIMeshMachinePool)) *bench {
	t.Helper()
	world := *b.World
	world.Namespace = env.Namespace(t, nil)
	helpers.Update(t, b.Environment, b.Accounts[0], func(a *infrav1.OCIAccount) {
		a.Spec.AllowedNamespaces.List = append(a.Spec.AllowedNamespaces.List, world.Namespace)
	})
	helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) {
		tn.Spec.AllowedNamespaces.List = append(tn.Spec.AllowedNamespaces.List, world.Namespace)
	})
	n := &bench{World: &world, booter: b.booter, recorder: &helpers.Recorder{}}
	n.restart()
	n.newCluster(t)
	n.newPool(t, 1, change)
	return n
}

func TestAForgedIdentityAdoptsNothing(t *testing.T) {
	for name, forge := range map[string]func(t *testing.T, b, n *bench){
		"with the victim's identity": func(*testing.T, *bench, *bench) {},
		"and with the victim's pool in its status, from before tags decided": func(t *testing.T, b, n *bench) {
			patch := fmt.Sprintf(`{"status":{"pool":{"id":%q,"attempt":1}}}`, b.own.Status.Pool.ID)
			NewWithT(t).Expect(n.Client.Status().Patch(t.Context(), n.own, client.RawPatch(types.MergePatchType, []byte(patch)))).To(Succeed())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, 2)
			b.untilReady(t, 2)
			before, configuration := b.holdings(t), b.own.Status.Configuration.ID
			n := b.neighbour(t, func(_ *clusterv1.MachinePool, own *expv1.OCIMeshMachinePool) {
				own.Annotations = map[string]string{infrav1.IdentityAnnotation: fmt.Sprintf("%s/%s/%s", own.Namespace, own.Name, b.own.UID)}
			})
			forge(t, b, n)

			n.until(t, func(g Gomega) {
				g.Expect(helpers.ConditionsOf(n.own)).To(ContainElement("Ready True Ready"), "conditions: %v", n.own.Status.Conditions)
				g.Expect(n.machines(t)).To(HaveLen(1), "the victim's instances are not its own")
			})
			g.Expect(n.own.Status.Pool.ID).NotTo(Equal(b.own.Status.Pool.ID))
			g.Expect(n.own.Status.Configuration.ID).NotTo(Equal(configuration))
			g.Expect(n.own.Spec.ProviderIDList).To(HaveLen(1))
			g.Expect(b.own.Spec.ProviderIDList).NotTo(ContainElement(n.own.Spec.ProviderIDList[0]))
			g.Expect(b.holdings(t)).To(ContainElements(before))
			for _, machine := range b.machines(t) {
				g.Expect(machine.DeletionTimestamp.IsZero()).To(BeTrue())
			}

			n.delete(t)
			g.Expect(b.holdings(t)).To(Equal(before))
		})
	}
}

func TestTagsOfTheProviderAreRefusedInSpecs(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	namespace := env.Namespace(t, nil)
	spec := expv1.OCIMeshMachinePoolSpec{
		Account: "a", Shape: infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 1, MemoryGB: 6},
		Image: infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Canonical Ubuntu", Version: "24.04"}},
	}
	template := func(spec expv1.OCIMeshMachinePoolSpec) *expv1.OCIMeshMachinePoolTemplate {
		made := &expv1.OCIMeshMachinePoolTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "t"}}
		made.Spec.Template.Spec = spec
		return made
	}
	pool := func(spec expv1.OCIMeshMachinePoolSpec) *expv1.OCIMeshMachinePool {
		return &expv1.OCIMeshMachinePool{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "p"}, Spec: spec}
	}
	g.Expect(env.Client.Create(t.Context(), template(spec))).To(Succeed())
	g.Expect(env.Client.Create(t.Context(), pool(spec))).To(Succeed())
	for _, tag := range []string{infrav1.MachinePoolUIDTag, infrav1.MachinePoolNameTag, infrav1.MachineUIDTag, "oci:compute:instancepool"} {
		tagged := spec
		tagged.Tags = map[string]string{tag: "x"}
		g.Expect(env.Client.Create(t.Context(), template(tagged))).To(MatchError(ContainSubstring("are the provider's own")), tag)
		g.Expect(env.Client.Create(t.Context(), pool(tagged))).To(MatchError(ContainSubstring("are the provider's own")), tag)
	}
	listed := spec
	listed.ProviderIDList = []string{"oci://ocid1.instance.oc1..somebody"}
	g.Expect(env.Client.Create(t.Context(), template(listed))).To(MatchError(ContainSubstring("providerIDList cannot be set in a template")))
}
