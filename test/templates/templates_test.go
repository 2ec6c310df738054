// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	clusterctl "sigs.k8s.io/cluster-api/cmd/clusterctl/client"
	"sigs.k8s.io/cluster-api/core/webhooks/admission"
	"sigs.k8s.io/cluster-api/feature"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// accounts are the variables of every template.
var accounts = map[string]string{
	"OCIMESH_TAILNET":   "home",
	"OCIMESH_ACCOUNT_1": "alice",
	"OCIMESH_ACCOUNT_2": "bob",
	"OCIMESH_ACCOUNT_3": "carol",
}

// one is how many objects of a kind most templates have.
var one = map[string]int{
	"Cluster": 1, "OCIMeshCluster": 1, "KubeadmControlPlane": 1, "MachineDeployment": 1, "KubeadmConfigTemplate": 1,
	"OCIMeshMachineTemplate": 2, "MachineHealthCheck": 2, "OCIMeshRemediationTemplate": 1, "HelmChartProxy": 1, "ClusterResourceSet": 1, "ConfigMap": 1,
}

// askedApart are the flavors whose objects differ so much that tests of their own ask for them.
var askedApart = map[string]string{
	"machine-pool": "TestTheMachinePoolFlavorHasItsWorkersInOneAccount",
	"topology":     "TestTheTopologyFlavorBringsItsClusterClassAlong",
}

func TestEveryTemplateIsGeneratedByClusterctlAndAcceptedByTheAPIServer(t *testing.T) {
	tables := []struct {
		flavor       string
		kinds        map[string]int
		controlPlane int64
		workers      int64
		accounts     []string
		mode         string
		endpoint     string
	}{
		{flavor: "", kinds: one, controlPlane: 3, workers: 2, accounts: []string{"alice", "bob", "carol"}, mode: "VXLAN", endpoint: "TailnetVIP"},
		{flavor: "always-free", kinds: one, controlPlane: 3, workers: 2, accounts: []string{"alice", "bob", "carol"}, mode: "VXLAN", endpoint: "TailnetVIP"},
		{flavor: "single-account", kinds: one, controlPlane: 3, workers: 2, accounts: []string{"alice"}, mode: "VXLAN", endpoint: "TailnetVIP"},
		{flavor: "tailnet-routes", kinds: one, controlPlane: 3, workers: 2, accounts: []string{"alice", "bob", "carol"}, mode: "TailnetRoutes", endpoint: "TailnetVIP"},
		{
			flavor: "network-load-balancer", kinds: one, controlPlane: 3, workers: 2, accounts: []string{"alice", "bob"}, mode: "VXLAN",
			endpoint: "NetworkLoadBalancer",
		},
		{flavor: "development", kinds: without(one, "MachineHealthCheck", "OCIMeshRemediationTemplate"), controlPlane: 1, workers: 1, accounts: []string{"alice"}, mode: "VXLAN", endpoint: "TailnetVIP"},
	}
	asked := slices.Sorted(maps.Keys(askedApart))
	for _, tt := range tables {
		asked = append(asked, tt.flavor)
	}
	NewWithT(t).Expect(asked).To(ConsistOf(flavors(t)), "give each flavor a row, or a test of its own and a line in askedApart, in this file")
	for _, tt := range tables {
		t.Run("flavor "+tt.flavor, func(t *testing.T) {
			g := NewWithT(t)
			objects := generate(t, tt.flavor)
			namespace := apply(t, objects)

			g.Expect(countKinds(objects)).To(Equal(tt.kinds))
			g.Expect(field(objects, "KubeadmControlPlane", "spec", "replicas")).To(BeEquivalentTo(tt.controlPlane))
			g.Expect(field(objects, "MachineDeployment", "spec", "replicas")).To(BeEquivalentTo(tt.workers))

			stored := get(t, namespace, "OCIMeshCluster", "mesh")
			g.Expect(accountNames(stored)).To(Equal(tt.accounts))
			g.Expect(stored.Object["spec"]).To(HaveKeyWithValue("podNetwork", HaveKeyWithValue("mode", tt.mode)))
			g.Expect(stored.Object["spec"]).To(HaveKeyWithValue("endpointType", tt.endpoint))
		})
	}
}

// An Always Free account has room for one machine of A1: 2 OCPUs and 12 GB.
func TestTheAlwaysFreeFlavorNeedsNoRoomForASecondMachineInAnAccount(t *testing.T) {
	g := NewWithT(t)
	objects := generate(t, "always-free")
	apply(t, objects)

	g.Expect(field(objects, "KubeadmControlPlane", "spec", "rollout", "strategy", "rollingUpdate")).To(HaveKeyWithValue("maxSurge", BeEquivalentTo(0)))
	g.Expect(field(objects, "MachineDeployment", "spec", "rollout", "strategy", "rollingUpdate")).To(
		And(HaveKeyWithValue("maxSurge", BeEquivalentTo(0)), HaveKeyWithValue("maxUnavailable", BeEquivalentTo(1))))
	for _, configuration := range []string{"initConfiguration", "joinConfiguration"} {
		g.Expect(field(objects, "KubeadmControlPlane", "spec", "kubeadmConfigSpec", configuration, "nodeRegistration")).To(
			HaveKeyWithValue("taints", BeEmpty()), "control planes take workloads")
	}
	for _, object := range objects {
		if object.GetKind() != "OCIMeshMachineTemplate" {
			continue
		}
		spec := field([]unstructured.Unstructured{object}, object.GetKind(), "spec", "template", "spec").(map[string]any)
		g.Expect(spec["shapes"]).To(ConsistOf(And(
			HaveKeyWithValue("name", "VM.Standard.A1.Flex"), HaveKeyWithValue("ocpus", BeEquivalentTo(2)), HaveKeyWithValue("memoryGB", BeEquivalentTo(12)))))
	}
}

// flavors are those of which there is a template.
func flavors(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "templates/cluster-template*.yaml"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	all := make([]string, 0, len(files))
	for _, file := range files {
		name := strings.TrimPrefix(filepath.Base(file), "cluster-template")
		all = append(all, strings.TrimPrefix(strings.TrimSuffix(name, ".yaml"), "-"))
	}
	NewWithT(t).Expect(all).To(ContainElements("", "machine-pool"))
	return all
}

// A flavor that the README does not name is found by nobody.
func TestTheREADMEHasARowForEachFlavor(t *testing.T) {
	g := NewWithT(t)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	g.Expect(err).NotTo(HaveOccurred())
	_, after, found := strings.Cut(string(readme), "| flavor | what it makes |\n|---|---|\n")
	table, _, ends := strings.Cut(after, "\n\n")
	g.Expect(found && ends).To(BeTrue(), "the table of flavors is not found")
	var rows []string
	for row := range strings.Lines(table) {
		flavor := strings.Trim(strings.Split(row, "|")[1], " `")
		rows = append(rows, strings.TrimPrefix(flavor, "(default)"))
	}
	g.Expect(rows).To(ConsistOf(flavors(t)))
}

// The README has a cluster's file deleted after the cluster: what another cluster's file holds too
// must not be in it, or be among what the README leaves out for the flavor topology.
func TestFilesOfTwoClustersShareOnlyTheClass(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, flavor := range flavors(t) {
		t.Run("flavor "+flavor, func(t *testing.T) {
			g := NewWithT(t)
			objects := generate(t, flavor)
			cluster := find(objects, "Cluster").GetName()
			for _, object := range objects {
				if !strings.HasPrefix(object.GetName(), cluster) {
					g.Expect(flavor).To(Equal("topology"), "%s %s", object.GetKind(), object.GetName())
					continue
				}
				// Whatever has an owner goes with it: all but these, and the templates beside them.
				kind := strings.ToLower(object.GetKind())
				if flavor == "topology" && kind != "cluster" {
					command := kind + "/mesh" + strings.TrimPrefix(object.GetName(), cluster)
					g.Expect(string(readme)).To(ContainSubstring(command))
				}
			}
		})
	}
}

func TestTheMachinePoolFlavorHasItsWorkersInOneAccount(t *testing.T) {
	g := NewWithT(t)
	objects := generate(t, "machine-pool")
	namespace := apply(t, objects)

	kinds := without(one, "MachineDeployment", "KubeadmConfigTemplate")
	// MachineHealthChecks are for Machines of a MachineDeployment or a control plane.
	kinds["OCIMeshMachineTemplate"], kinds["MachineHealthCheck"] = 1, 1
	kinds["MachinePool"], kinds["KubeadmConfig"], kinds["OCIMeshMachinePool"] = 1, 1, 1
	g.Expect(countKinds(objects)).To(Equal(kinds))
	g.Expect(field(objects, "MachinePool", "spec", "replicas")).To(BeEquivalentTo(2))
	stored := get(t, namespace, "OCIMeshMachinePool", "mesh-workers")
	g.Expect(stored.Object["spec"]).To(HaveKeyWithValue("account", "alice"))
}

func TestTheTopologyFlavorBringsItsClusterClassAlong(t *testing.T) {
	g := NewWithT(t)
	objects := generate(t, "topology")
	apply(t, objects)

	g.Expect(countKinds(objects)).To(Equal(map[string]int{
		"Cluster": 1, "ClusterClass": 1, "OCIMeshClusterTemplate": 1, "KubeadmControlPlaneTemplate": 1,
		"OCIMeshMachineTemplate": 2, "OCIMeshRemediationTemplate": 1, "KubeadmConfigTemplate": 1, "HelmChartProxy": 1, "ClusterResourceSet": 1, "ConfigMap": 1,
	}))
	g.Expect(field(objects, "Cluster", "spec", "topology", "classRef", "name")).To(Equal("ocimesh"))
}

func TestTheClusterClassPassesClusterAPIsOwnValidation(t *testing.T) {
	g := NewWithT(t)
	g.Expect(feature.MutableGates.Set("ClusterTopology=true")).To(Succeed())
	class := &clusterv1.ClusterClass{}
	found := find(generate(t, "topology"), "ClusterClass")
	g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(found.Object, class)).To(Succeed())

	// Schemas of CRDs do not see into patches; the webhook does.
	_, err := (&admission.ClusterClass{Client: apiServer}).ValidateCreate(t.Context(), class)
	g.Expect(err).NotTo(HaveOccurred())
}

func TestAMissingAccountIsNamedByClusterctl(t *testing.T) {
	g := NewWithT(t)
	for name, value := range accounts {
		t.Setenv(name, value)
	}
	g.Expect(os.Unsetenv("OCIMESH_ACCOUNT_2")).To(Succeed())
	_, err := template("")
	g.Expect(err).To(MatchError(ContainSubstring("OCIMESH_ACCOUNT_2")))
}

// fleet are the objects of the HelmChartProxy for all clusters with a label.
func fleet(t *testing.T) []unstructured.Unstructured {
	t.Helper()
	return processed(t, "cilium-fleet.yaml", "fleet")
}

// processed are the objects of a template in a namespace, with its variables filled in.
func processed(t *testing.T, name, namespace string) []unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join(root, "templates", name))
	g.Expect(err).NotTo(HaveOccurred())
	t.Setenv("NAMESPACE", namespace)
	printer, err := generator.ProcessYAML(context.Background(), clusterctl.ProcessYAMLOptions{
		ReaderSource: &clusterctl.ReaderSourceOptions{Reader: strings.NewReader(string(content))},
	})
	g.Expect(err).NotTo(HaveOccurred())
	out, err := printer.Yaml()
	g.Expect(err).NotTo(HaveOccurred())
	return parse(t, out)
}

func TestTheFleetProxySelectsClustersByLabel(t *testing.T) {
	g := NewWithT(t)
	objects := fleet(t)
	apply(t, objects)

	for _, kind := range []string{"HelmChartProxy", "ClusterResourceSet"} {
		g.Expect(field(objects, kind, "spec", "clusterSelector", "matchLabels")).To(
			Equal(map[string]any{"infrastructure.cluster.x-k8s.io/cilium": "all_clusters"}), kind)
	}
}

// Applying such a cluster would change what all clusters have, and deleting it would delete that.
func TestNoClusterSharesAnythingWithTheFleet(t *testing.T) {
	identity := func(o unstructured.Unstructured) string { return o.GetKind() + " " + o.GetName() }
	for name, value := range accounts {
		t.Setenv(name, value)
	}
	fleets := fleet(t)
	ofFleet := make([]string, 0, len(fleets))
	for _, object := range fleets {
		ofFleet = append(ofFleet, identity(object))
	}
	for _, name := range []string{"fleet", "cilium", "cilium-fleet", "metadata-policy", "all-clusters"} {
		g := NewWithT(t)
		objects, err := templateFor(name, "")
		g.Expect(err).NotTo(HaveOccurred())
		for _, object := range objects {
			g.Expect(ofFleet).NotTo(ContainElement(identity(object)))
		}
		own := field(objects, "HelmChartProxy", "spec", "clusterSelector", "matchLabels")
		g.Expect(own).NotTo(Equal(field(fleets, "HelmChartProxy", "spec", "clusterSelector", "matchLabels")))
	}
	for _, value := range field(fleets, "HelmChartProxy", "spec", "clusterSelector", "matchLabels").(map[string]any) {
		NewWithT(t).Expect(validation.IsDNS1123Subdomain(value.(string))).NotTo(BeEmpty(), "no Cluster has the name %s", value)
	}
}

// generate makes the objects of a flavor with three control planes and two workers.
func generate(t *testing.T, flavor string) []unstructured.Unstructured {
	t.Helper()
	for name, value := range accounts {
		t.Setenv(name, value)
	}
	made, err := template(flavor)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return made
}

func template(flavor string) ([]unstructured.Unstructured, error) { return templateFor("mesh", flavor) }

// templateFor is of a cluster of the name.
func templateFor(name, flavor string) ([]unstructured.Unstructured, error) {
	return templateIn("default", name, flavor)
}

func templateIn(namespace, name, flavor string) ([]unstructured.Unstructured, error) {
	controlPlanes, workers := int64(3), int64(2)
	made, err := generator.GetClusterTemplate(context.Background(), clusterctl.GetClusterTemplateOptions{
		Kubeconfig:               clusterctl.Kubeconfig{Path: kubeconfig},
		ProviderRepositorySource: &clusterctl.ProviderRepositorySourceOptions{InfrastructureProvider: "ocimesh:v0.1.0", Flavor: flavor},
		TargetNamespace:          namespace,
		ClusterName:              name,
		KubernetesVersion:        "v1.36.2",
		ControlPlaneMachineCount: &controlPlanes,
		WorkerMachineCount:       &workers,
	})
	if err != nil {
		return nil, err
	}
	return made.Objs(), nil
}

// apply creates the objects in a namespace of their own and returns its name.
func apply(t *testing.T, objects []unstructured.Unstructured) string {
	t.Helper()
	g := NewWithT(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "templates-"}}
	g.Expect(apiServer.Create(context.Background(), namespace)).To(Succeed())
	for i := range objects {
		object := objects[i].DeepCopy()
		object.SetNamespace(namespace.Name)
		// Strict validation refuses fields unknown to the schema; they would otherwise vanish
		// silently.
		err := apiServer.Create(context.Background(), object, client.FieldValidation(metav1.FieldValidationStrict))
		g.Expect(err).NotTo(HaveOccurred(), "%s %s", object.GetKind(), object.GetName())
	}
	return namespace.Name
}

func get(t *testing.T, namespace, kind, name string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("infrastructure.cluster.x-k8s.io/v1alpha1")
	object.SetKind(kind)
	NewWithT(t).Expect(apiServer.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name}, object)).To(Succeed())
	return object
}

func find(objects []unstructured.Unstructured, kind string) *unstructured.Unstructured {
	for i := range objects {
		if objects[i].GetKind() == kind {
			return &objects[i]
		}
	}
	return nil
}

func field(objects []unstructured.Unstructured, kind string, path ...string) any {
	object := find(objects, kind)
	if object == nil {
		return fmt.Sprintf("no %s", kind)
	}
	value, _, err := unstructured.NestedFieldNoCopy(object.Object, path...)
	if err != nil {
		return err
	}
	return value
}

func countKinds(objects []unstructured.Unstructured) map[string]int {
	kinds := map[string]int{}
	for i := range objects {
		kinds[objects[i].GetKind()]++
	}
	return kinds
}

func accountNames(cluster *unstructured.Unstructured) []string {
	list, _, _ := unstructured.NestedSlice(cluster.Object, "spec", "accounts")
	names := make([]string, 0, len(list))
	for _, account := range list {
		names = append(names, account.(map[string]any)["name"].(string))
	}
	return names
}

func without(kinds map[string]int, left ...string) map[string]int {
	rest := maps.Clone(kinds)
	for _, kind := range left {
		delete(rest, kind)
	}
	return rest
}
