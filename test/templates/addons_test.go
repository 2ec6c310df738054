// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/addons"
)

func TestCiliumIsInstalledUpgradedAndLeftWithItsCluster(t *testing.T) {
	g := NewWithT(t)
	w := newAddonWorld(t)
	w.eventually(t, func(g Gomega) {
		g.Expect(w.releases(t, "mesh-cilium")).To(HaveLen(1))
		g.Expect(condition(w.chartProxy(t, "mesh-cilium"), addons.Ready)).To(HaveField("Message", ContainSubstring("kubeconfig")))
	})

	w.initialize(t)
	w.untilDeployed(t, "mesh-cilium", 1)
	agents, err := w.agents(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(agents.Spec.Template.Spec.Containers[0].Env).To(ContainElement(HaveField("Value", "10.250.0.1")))
	w.eventually(t, func(g Gomega) {
		g.Expect(condition(w.chartProxy(t, "mesh-cilium"), addons.Ready)).To(HaveField("Status", BeEquivalentTo("True")))
	})

	w.patch(t, w.chartProxy(t, "mesh-cilium"), `{"spec":{"version":"1.20.3"}}`)
	w.untilDeployed(t, "mesh-cilium", 2)
	upgraded, err := w.agents(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(upgraded.UID).To(Equal(agents.UID), "an upgrade changes what is there")

	// The chart's source is asked at every reconcile.
	w.unreachable.Store(true)
	w.eventually(t, func(g Gomega) {
		g.Expect(condition(&w.releases(t, "mesh-cilium")[0], addons.Ready)).To(HaveField("Reason", addons.InstallOrUpgradeFailed))
	})
	w.unreachable.Store(false)
	w.untilDeployed(t, "mesh-cilium", 2)

	g.Expect(apiServer.Delete(t.Context(), w.cluster(t))).To(Succeed())
	w.eventually(t, func(g Gomega) { g.Expect(w.releases(t, "mesh-cilium")).To(BeEmpty()) })
	w.chartProxy(t, "mesh-cilium")
}

// This is what the guard is for, as it was seen with the add-on provider itself.
func TestWithoutTheGuardAnotherLabelUninstallsCilium(t *testing.T) {
	w := newAddonWorld(t)
	w.initialize(t)
	w.untilDeployed(t, "mesh-cilium", 1)

	w.patch(t, w.cluster(t), `{"metadata":{"labels":{"`+ciliumLabel+`":"all_clusters"}}}`)
	w.eventually(t, func(g Gomega) {
		_, err := w.agents(t.Context())
		g.Expect(apierrors.IsNotFound(err)).To(BeTrue())
	})
	w.eventually(t, func(g Gomega) {
		g.Expect(w.releases(t, "mesh-cilium")).To(BeEmpty())
		g.Expect(condition(w.chartProxy(t, "mesh-cilium"), addons.Ready)).To(HaveField("Status", BeEquivalentTo("True")), "nobody is told")
	})
}

func TestTheGuardKeepsCiliumWhileItsClusterLives(t *testing.T) {
	g := NewWithT(t)
	w := newAddonWorld(t)
	w.guard(t)
	w.initialize(t)
	release := w.untilDeployed(t, "mesh-cilium", 1)
	agents, err := w.agents(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	stays := func(g Gomega) {
		found, err := w.agents(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found.UID).To(Equal(agents.UID))
	}
	w.untilGuarded(t, release.GetName())

	t.Run("another label is refused, and none", func(t *testing.T) {
		for _, label := range []string{`"all_clusters"`, `null`} {
			err := w.tryPatch(t, w.cluster(t), `{"metadata":{"labels":{"`+ciliumLabel+`":`+label+`}}}`)
			NewWithT(t).Expect(err).To(MatchError(And(ContainSubstring("would uninstall it from cluster mesh"), ContainSubstring(release.GetName()))))
		}
		w.patch(t, w.cluster(t), `{"metadata":{"labels":{"of-mine":"yes"}}}`)
	})
	t.Run("another source or place of the release is refused", func(t *testing.T) {
		for _, change := range []string{`{"repoURL":"oci://mine.example.com"}`, `{"releaseName":"other"}`, `{"namespace":"other"}`} {
			err := w.tryPatch(t, w.chartProxy(t, "mesh-cilium"), `{"spec":`+change+`}`)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring("uninstalls Cilium from cluster mesh")), change)
		}
	})
	t.Run("its release is not deleted", func(t *testing.T) {
		g := NewWithT(t)
		err := apiServer.Delete(t.Context(), &w.releases(t, "mesh-cilium")[0])
		g.Expect(err).To(MatchError(And(ContainSubstring("delete the Cluster"), ContainSubstring(infrav1.AllowUninstallAnnotation))))
		stays(g)
	})
	t.Run("a selector that leaves it out uninstalls nothing, and is told", func(t *testing.T) {
		w.patch(t, w.chartProxy(t, "mesh-cilium"), `{"spec":{"clusterSelector":{"matchLabels":{"`+ciliumLabel+`":"others"}}}}`)
		w.untilRefused(t, "mesh-cilium")
		stays(NewWithT(t))
		w.patch(t, w.chartProxy(t, "mesh-cilium"), `{"spec":{"clusterSelector":{"matchLabels":{"`+ciliumLabel+`":"mesh"}}}}`)
		w.eventually(t, func(g Gomega) {
			g.Expect(condition(w.chartProxy(t, "mesh-cilium"), addons.Ready)).To(HaveField("Status", BeEquivalentTo("True")))
		})
	})
	t.Run("its HelmChartProxy goes with the cluster, not before", func(t *testing.T) {
		g := NewWithT(t)
		g.Expect(apiServer.Delete(t.Context(), w.chartProxy(t, "mesh-cilium"))).To(Succeed())
		w.untilRefused(t, "mesh-cilium")
		stays(g)
		g.Expect(apiServer.Delete(t.Context(), w.cluster(t))).To(Succeed())
		w.eventually(t, func(g Gomega) {
			err := apiServer.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "mesh-cilium"}, addons.NewChartProxy())
			g.Expect(apierrors.IsNotFound(err)).To(BeTrue())
		})
	})
}

// Ways of docs/operations.md.
func TestARunningCiliumIsHandedOver(t *testing.T) {
	g := NewWithT(t)
	w := newAddonWorld(t)
	w.guard(t)
	w.initialize(t)
	own := w.untilDeployed(t, "mesh-cilium", 1)
	agents, err := w.agents(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	w.untilGuarded(t, own.GetName())

	t.Run("to a mirror", func(t *testing.T) {
		w.patch(t, w.chartProxy(t, "mesh-cilium"), `{"metadata":{"annotations":{"cluster.x-k8s.io/paused":""}}}`)
		w.letGo(t, own.GetName())
		w.patch(t, w.chartProxy(t, "mesh-cilium"), `{"spec":{"repoURL":"oci://mine.example.com/charts"}}`)
		w.patch(t, w.chartProxy(t, "mesh-cilium"), `{"metadata":{"annotations":{"cluster.x-k8s.io/paused":null}}}`)
		moved := w.untilDeployed(t, "mesh-cilium", 1)
		g := NewWithT(t)
		g.Expect(moved.GetUID()).NotTo(Equal(own.GetUID()))
		g.Expect(moved.Object["spec"]).To(HaveKeyWithValue("repoURL", "oci://mine.example.com/charts"))
		own = moved
	})
	t.Run("to the fleet's HelmChartProxy", func(t *testing.T) {
		g := NewWithT(t)
		t.Setenv("CILIUM_REPOSITORY", "oci://mine.example.com/charts")
		for _, object := range fleet(t) {
			object.SetNamespace(w.namespace)
			g.Expect(apiServer.Create(t.Context(), &object)).To(Succeed())
		}
		g.Expect(apiServer.Delete(t.Context(), w.chartProxy(t, "mesh-cilium"))).To(Succeed())
		w.letGo(t, own.GetName())
		w.patch(t, w.cluster(t), `{"metadata":{"labels":{"`+ciliumLabel+`":"all_clusters"}}}`)
		w.untilDeployed(t, "cilium-fleet", 1)
		w.eventually(t, func(g Gomega) {
			err := apiServer.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "mesh-cilium"}, addons.NewChartProxy())
			g.Expect(apierrors.IsNotFound(err)).To(BeTrue())
		})
	})
	found, err := w.agents(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.UID).To(Equal(agents.UID))
	g.Expect(found.Generation).To(Equal(agents.Generation), "no agent was restarted")

	t.Run("to nobody, when that is asked for", func(t *testing.T) {
		release := &w.releases(t, "cilium-fleet")[0]
		w.patch(t, release, `{"metadata":{"annotations":{"`+infrav1.AllowUninstallAnnotation+`":""}}}`)
		w.patch(t, w.cluster(t), `{"metadata":{"labels":{"`+ciliumLabel+`":null}}}`)
		w.eventually(t, func(g Gomega) {
			_, err := w.agents(t.Context())
			g.Expect(apierrors.IsNotFound(err)).To(BeTrue())
		})
	})
}

func TestTheGuardIsForClustersOfThisProvider(t *testing.T) {
	g := NewWithT(t)
	w := newAddonWorld(t)
	w.guard(t)
	w.eventually(t, func(g Gomega) { g.Expect(w.releases(t, "mesh-cilium")).To(HaveLen(1)) })
	w.untilGuarded(t, w.releases(t, "mesh-cilium")[0].GetName())
	other := w.cluster(t)
	other.SetName("other")
	other.SetResourceVersion("")
	g.Expect(unstructured.SetNestedField(other.Object, "OthersCluster", "spec", "infrastructureRef", "kind")).To(Succeed())
	g.Expect(apiServer.Create(t.Context(), other)).To(Succeed())
	release := w.releases(t, "mesh-cilium")[0]
	release.SetName("cilium-other")
	release.SetResourceVersion("")
	release.SetLabels(nil)
	g.Expect(unstructured.SetNestedField(release.Object, "other", "spec", "clusterRef", "name")).To(Succeed())
	g.Expect(apiServer.Create(t.Context(), &release)).To(Succeed())
	g.Expect(apiServer.Delete(t.Context(), &release)).To(Succeed())
}

// clusterctl marks an object, deletes it and takes its finalizers away (mover.go,
// deleteSourceObject).
func TestTheGuardLetsClusterctlMoveAReleaseAway(t *testing.T) {
	w := newAddonWorld(t)
	w.guard(t)
	w.eventually(t, func(g Gomega) { g.Expect(w.releases(t, "mesh-cilium")).To(HaveLen(1)) })
	release := &w.releases(t, "mesh-cilium")[0]
	w.untilGuarded(t, release.GetName())

	w.patch(t, release, `{"metadata":{"annotations":{"clusterctl.cluster.x-k8s.io/delete-for-move":""}}}`)
	NewWithT(t).Expect(apiServer.Delete(t.Context(), release)).To(Succeed())
}

// untilGuarded waits until the API server has taken the policies up.
func (w *addonWorld) untilGuarded(t *testing.T, release string) {
	t.Helper()
	w.eventually(t, func(g Gomega) {
		proxy := addons.NewReleaseProxy()
		proxy.SetNamespace(w.namespace)
		proxy.SetName(release)
		g.Expect(apierrors.IsInvalid(apiServer.Delete(t.Context(), proxy, client.DryRunAll))).To(BeTrue())
		for _, refused := range []error{
			w.tryPatch(t, w.cluster(t), `{"metadata":{"labels":{"`+ciliumLabel+`":"all_clusters"}}}`, client.DryRunAll),
			w.tryPatch(t, w.chartProxy(t, "mesh-cilium"), `{"spec":{"repoURL":"oci://mine.example.com"}}`, client.DryRunAll),
		} {
			g.Expect(apierrors.IsInvalid(refused)).To(BeTrue())
		}
	})
}

// untilRefused waits until a HelmChartProxy tells that it may not delete its release.
func (w *addonWorld) untilRefused(t *testing.T, proxy string) {
	t.Helper()
	w.eventually(t, func(g Gomega) {
		told := condition(w.chartProxy(t, proxy), addons.Ready)
		g.Expect(told).To(And(HaveField("Reason", addons.DeletionFailed), HaveField("Message", ContainSubstring("cluster mesh, which lives"))))
	})
}

// letGo takes a HelmReleaseProxy away and leaves its release.
func (w *addonWorld) letGo(t *testing.T, name string) {
	t.Helper()
	release := addons.NewReleaseProxy()
	release.SetNamespace(w.namespace)
	release.SetName(name)
	w.patch(t, release, `{"metadata":{"annotations":{"cluster.x-k8s.io/paused":""}}}`)
	// Refused while the add-on provider puts its finalizer back; the pause ends that.
	w.eventually(t, func(g Gomega) {
		g.Expect(apiServer.Patch(t.Context(), release, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
		g.Expect(apiServer.Delete(t.Context(), release)).To(Succeed())
	})
}
