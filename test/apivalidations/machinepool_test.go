// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package apivalidations

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func goodMachinePool() *expv1.OCIMeshMachinePool {
	return &expv1.OCIMeshMachinePool{ObjectMeta: namespaced(), Spec: expv1.OCIMeshMachinePoolSpec{
		Account: "alice",
		Shape:   infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12},
		Image:   infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Canonical Ubuntu", Version: "24.04"}},
		DataVolumes: []infrav1.DataVolume{
			{Name: "data", SizeGB: 50, MountPath: "/var/data"},
		},
	}}
}

func TestAMachinePoolsDefaults(t *testing.T) {
	g := NewWithT(t)
	pool := created(t, goodMachinePool())
	g.Expect(pool.Spec.Bootstrap).To(Equal(infrav1.BootstrapInstall))
	g.Expect(pool.Spec.Tailscale).To(Equal(infrav1.Tailscale{Source: infrav1.TailscalePackages}))
	g.Expect(pool.Spec.DataVolumes[0].FileSystem).To(Equal(infrav1.FileSystem("ext4")))
}

func TestOCIMeshMachinePoolsAreRefusedWithTheReason(t *testing.T) {
	type pool = expv1.OCIMeshMachinePool
	expectRefusals(t, goodMachinePool, []refusal[*pool]{
		{"no account", func(p *pool) { p.Spec.Account = "" }, "spec.account"},
		{"no shape", func(p *pool) { p.Spec.Shape = infrav1.Shape{} }, "spec.shape"},
		{"a flexible shape without OCPUs", func(p *pool) { p.Spec.Shape.OCPUs = 0 }, "ocpus must be set for shapes that end in .Flex"},
		{"preemptible instances", func(p *pool) { p.Spec.Preemptible = ptr.To(true) }, "OCI has no preemptible instances in instance pools"},
		{"no image", func(p *pool) { p.Spec.Image = infrav1.Image{} }, "spec.image"},
		{"a data volume on bare metal", func(p *pool) {
			p.Spec.Shape = infrav1.Shape{Name: "BM.Standard.E4.128"}
			p.Spec.DataVolumes = []infrav1.DataVolume{{Name: "data", SizeGB: 50, MountPath: "/data"}}
		}, "bare metal takes no dataVolumes"},
		{"a boot volume of ultra-high performance on bare metal", func(p *pool) {
			p.Spec.Shape, p.Spec.BootVolume.VPUsPerGB = infrav1.Shape{Name: "BM.Standard.E4.128"}, 30
		}, "at most 20 vpusPerGB"},
		{"a tag of the provider's", func(p *pool) { p.Spec.Tags = map[string]string{"ocimesh-x": "y"} }, "the provider's own"},
		{"a tag of OCI's", func(p *pool) { p.Spec.Tags = map[string]string{"oci:compute:instancepool": "y"} }, "are OCI's"},
		{"more tags than OCI leaves room for", func(p *pool) {
			p.Spec.Tags = map[string]string{"a": "", "b": "", "c": ""}
		}, "spec.tags"},
		{"two volumes at one place", func(p *pool) {
			p.Spec.DataVolumes = append(p.Spec.DataVolumes, infrav1.DataVolume{Name: "more", SizeGB: 50, MountPath: "/var/data"})
		}, "two data volumes cannot have the same mountPath"},
	})
}

// beforeTheRule serves the CRD as it was before the field preemptible had a rule, until done.
func beforeTheRule(t *testing.T, do func(g Gomega)) {
	t.Helper()
	g := NewWithT(t)
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	g.Expect(apiServer.Get(t.Context(), client.ObjectKey{Name: "ocimeshmachinepools.infrastructure.cluster.x-k8s.io"}, crd)).To(Succeed())
	shipped, err := json.Marshal(map[string]any{"spec": crd.Object["spec"]})
	g.Expect(err).NotTo(HaveOccurred())
	defer func() {
		g.Expect(apiServer.Patch(t.Context(), crd, client.RawPatch(types.MergePatchType, shipped))).To(Succeed())
	}()

	const rule = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/preemptible/x-kubernetes-validations"
	g.Expect(apiServer.Patch(t.Context(), crd, client.RawPatch(types.JSONPatchType, fmt.Appendf(nil, `[{"op": "remove", "path": %q}]`, rule)))).To(Succeed())
	g.Eventually(do).WithTimeout(time.Minute).Should(Succeed())
}

func TestAMachinePoolThatWasPreemptibleBeforeItWasRefusedCanBeChangedAndDeleted(t *testing.T) {
	g := NewWithT(t)
	preemptible := func() *expv1.OCIMeshMachinePool {
		pool := goodMachinePool()
		pool.Spec.Preemptible = ptr.To(true)
		return pool
	}
	pool := preemptible()
	beforeTheRule(t, func(g Gomega) { g.Expect(apiServer.Create(t.Context(), pool)).To(Succeed()) })
	g.Eventually(func(g Gomega) {
		another := preemptible()
		g.Expect(apiServer.Create(t.Context(), another, client.DryRunAll)).To(MatchError(ContainSubstring("OCI has no preemptible instances")))
	}).WithTimeout(time.Minute).Should(Succeed())

	pool.Finalizers, pool.Spec.Shape.OCPUs = []string{expv1.OCIMeshMachinePoolFinalizer}, 4
	g.Expect(apiServer.Update(t.Context(), pool)).To(Succeed())
	g.Expect(apiServer.Delete(t.Context(), pool)).To(Succeed())
	g.Expect(apiServer.Get(t.Context(), client.ObjectKeyFromObject(pool), pool)).To(Succeed())
	pool.Finalizers = nil
	g.Expect(apiServer.Update(t.Context(), pool)).To(Succeed())
	g.Expect(apierrors.IsNotFound(apiServer.Get(t.Context(), client.ObjectKeyFromObject(pool), pool))).To(BeTrue())
}

func TestAMachinePoolStaysInItsAccount(t *testing.T) {
	g := NewWithT(t)
	pool := created(t, goodMachinePool())

	pool.Spec.Shape.OCPUs, pool.Spec.FaultDomains = 4, []string{"FAULT-DOMAIN-1"}
	g.Expect(apiServer.Update(t.Context(), pool)).To(Succeed(), "instances to come may be others")
	pool.Spec.Account = "bob"
	g.Expect(apiServer.Update(t.Context(), pool)).To(MatchError(ContainSubstring("account is immutable")))
}

func TestAMachinePoolMachineStandsForOneInstance(t *testing.T) {
	g := NewWithT(t)
	machine := created(t, &expv1.OCIMeshMachinePoolMachine{
		ObjectMeta: namespaced(), Spec: expv1.OCIMeshMachinePoolMachineSpec{ProviderID: "oci://ocid1.instance.oc1..a"},
	})
	machine.Spec.ProviderID = "oci://" + strings.Repeat("b", 20)
	g.Expect(apiServer.Update(t.Context(), machine)).To(MatchError(ContainSubstring("providerID is immutable")))
}

// otherInPools are the fields for which a pool's schema differs from a machine's, and why.
var otherInPools = map[string]string{
	"tags":        "pools and OCI's instance pools set more tags than a machine's launch does",
	"preemptible": "OCI has no preemptible instances in instance pools",
}

// A pool has markers of its own at each field that it shares with machines, and for whole specs.
func TestAPoolTakesForAFieldWhatAMachineTakes(t *testing.T) {
	machine, pool := specOf(t, "ocimeshmachines"), specOf(t, "ocimeshmachinepools")
	g := NewWithT(t)
	shape, _, err := unstructured.NestedMap(machine, "properties", "shapes", "items")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(unstructured.SetNestedMap(machine, shape, "properties", "shape")).To(Succeed())
	pools := pool["properties"].(map[string]any)
	for name, of := range machine["properties"].(map[string]any) {
		if pools[name] == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			if why := otherInPools[name]; why != "" {
				g.Expect(pools[name]).NotTo(Equal(of), "it is the same: take it off the list")
				return
			}
			g.Expect(pools[name]).To(Equal(of))
			if name != "shape" {
				g.Expect(slices.Contains(pool["required"].([]any), any(name))).To(Equal(slices.Contains(machine["required"].([]any), any(name))), "required")
			}
		})
	}
	t.Run("rules of the whole spec", func(t *testing.T) {
		oneShape := strings.NewReplacer("self.shapes.exists(s, s.name.startsWith('BM.'))", "self.shape.name.startsWith('BM.')")
		NewWithT(t).Expect(rulesOf(pool, oneShape)).To(ConsistOf(rulesOf(machine, oneShape)))
	})
}

// rulesOf are the rules of a whole spec, but for those of changes: pools change what machines do
// not.
func rulesOf(spec map[string]any, replacer *strings.Replacer) (all []string) {
	for _, each := range spec["x-kubernetes-validations"].([]any) {
		rule := each.(map[string]any)
		if text := rule["rule"].(string); !strings.Contains(text, "oldSelf") {
			all = append(all, replacer.Replace(text)+": "+rule["message"].(string))
		}
	}
	return all
}

// specOf is the schema of a kind's spec, without descriptions.
func specOf(t *testing.T, plural string) map[string]any {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile("../../config/crd/bases/infrastructure.cluster.x-k8s.io_" + plural + ".yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var crd unstructured.Unstructured
	g.Expect(yaml.Unmarshal(content, &crd.Object)).To(Succeed())
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(versions).To(HaveLen(1))
	spec, found, err := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties", "spec")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeTrue())
	undescribed(spec)
	return spec
}

// undescribed takes all descriptions out of a schema. A field of that name has a schema for a
// value.
func undescribed(schema any) {
	switch node := schema.(type) {
	case map[string]any:
		if _, text := node["description"].(string); text {
			delete(node, "description")
		}
		for _, below := range node {
			undescribed(below)
		}
	case []any:
		for _, below := range node {
			undescribed(below)
		}
	}
}
