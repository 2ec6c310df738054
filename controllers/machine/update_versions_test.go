// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// joined is a control plane with the agent and its Node.
func (b *bench) joined(t *testing.T, change func(*clusterv1.Machine, *infrav1.OCIMeshMachine)) (*infrav1.OCIMeshMachine, *corev1.Node) {
	t.Helper()
	return b.withNode(t, controlPlane, aMachine, change)
}

// withNode is a provisioned machine with the agent and its Node. The Nodes are on the API server
// that the machines are on, too.
func (b *bench) withNode(t *testing.T, changes ...func(*clusterv1.Machine, *infrav1.OCIMeshMachine)) (*infrav1.OCIMeshMachine, *corev1.Node) {
	t.Helper()
	g := NewWithT(t)
	b.r.InPlaceUpdates = true
	own := b.machine(t, "machine", changes...)
	b.untilProvisioned(t, own)
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: b.Namespace + "-machine"}, Spec: corev1.NodeSpec{ProviderID: own.Spec.ProviderID},
	}
	b.Create(t, node)
	t.Cleanup(func() { _ = b.Client.Delete(context.Background(), node) })
	b.nodeRuns(t, node, "v1.36.3", corev1.ConditionTrue)

	machine := b.ownerOf(t, own)
	machine.Status.NodeRef = clusterv1.MachineNodeReference{Name: node.Name}
	g.Expect(b.Client.Status().Update(t.Context(), machine)).To(Succeed())
	b.Create(t, b.kubeconfig(t))
	return own, node
}

// kubeconfig is what Cluster API keeps of the cluster.
func (b *bench) kubeconfig(t *testing.T) *corev1.Secret {
	t.Helper()
	config := env.Config
	kubeconfig, err := clientcmd.Write(api.Config{
		Clusters: map[string]*api.Cluster{"c": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos: map[string]*api.AuthInfo{"u": {
			Token: config.BearerToken, ClientCertificateData: config.CertData, ClientKeyData: config.KeyData,
		}},
		Contexts: map[string]*api.Context{"u@c": {Cluster: "c", AuthInfo: "u"}}, CurrentContext: "u@c",
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: b.cluster.Name + "-kubeconfig"}, Data: map[string][]byte{"value": kubeconfig},
	}
}

func (b *bench) ownerOf(t *testing.T, own *infrav1.OCIMeshMachine) *clusterv1.Machine {
	t.Helper()
	machine := &clusterv1.Machine{}
	NewWithT(t).Expect(b.Client.Get(t.Context(), client.ObjectKeyFromObject(own), machine)).To(Succeed())
	return machine
}

// nodeRuns has kubelet register a version.
func (b *bench) nodeRuns(t *testing.T, node *corev1.Node, version string, ready corev1.ConditionStatus) {
	t.Helper()
	b.Reload(t, node)
	node.Status.NodeInfo.KubeletVersion = version
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), node)).To(Succeed())
}

// nodeSays is what the node's agent writes.
func (b *bench) nodeSays(t *testing.T, node *corev1.Node, report string) {
	t.Helper()
	b.Reload(t, node)
	before := node.DeepCopy()
	metav1.SetMetaDataAnnotation(&node.ObjectMeta, infrav1.ReportedVersionsAnnotation, report)
	NewWithT(t).Expect(b.Client.Patch(t.Context(), node, client.MergeFrom(before))).To(Succeed())
}

// upgrades is what Cluster API does to trigger the update.
func (b *bench) upgrades(t *testing.T, own *infrav1.OCIMeshMachine, version string, change func(*infrav1.OCIMeshMachineSpec)) {
	t.Helper()
	b.updates(t, own, change)
	machine := b.ownerOf(t, own)
	before := machine.DeepCopy()
	machine.Spec.Version = version
	NewWithT(t).Expect(b.Client.Patch(t.Context(), machine, client.MergeFrom(before))).To(Succeed())
}

func (b *bench) untilTold(t *testing.T, own *infrav1.OCIMeshMachine, want, message string) {
	t.Helper()
	b.until(t, own, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(own)).To(ContainElement(want))
		g.Expect(helpers.MessageOf(own, infrav1.UpdatedCondition)).To(ContainSubstring(message))
	})
}

func unchanged(*infrav1.OCIMeshMachineSpec) {}

func packages(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
	own.Spec.Tailscale = infrav1.Tailscale{Source: infrav1.TailscalePackages, Version: "1.102.3"}
}

func TestANodeIsAskedForItsMachinesVersionsUntilItHasThem(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node := b.joined(t, packages)

	b.upgrades(t, own, "v1.37.0", func(s *infrav1.OCIMeshMachineSpec) { s.Tailscale.Version = "1.104.0" })
	b.untilTold(t, own, "Updated False Updating", "Waiting for node "+node.Name+" to begin with Kubernetes v1.37.0 and tailscale 1.104.0")
	b.Reload(t, node)
	g.Expect(node.Annotations).To(HaveKeyWithValue(infrav1.WantedVersionsAnnotation, "v1.37.0 1.104.0"))

	b.nodeSays(t, node, "v1.37.0 1.104.0 working running kubeadm upgrade node")
	b.untilTold(t, own, "Updated False Updating", "running kubeadm upgrade node")
	b.nodeSays(t, node, "v1.37.0 1.104.0 failed Kubernetes 1.37.0 cannot be installed from https://mirror.example/")
	b.untilTold(t, own, "Updated False NodeUpdateFailed", "Kubernetes 1.37.0 cannot be installed from https://mirror.example/")
	b.nodeRuns(t, node, "v1.37.0", corev1.ConditionFalse)
	b.untilTold(t, own, "Updated False NodeUpdateFailed", "cannot be installed")
	b.nodeSays(t, node, "v1.37.0 1.104.0 done")
	b.untilTold(t, own, "Updated False Updating", "waiting for it to be Ready")
	b.nodeRuns(t, node, "v1.37.0", corev1.ConditionTrue)
	b.untilUpdated(t, own)

	b.done(t, own)
	g.Expect(b.calls("InstanceAction")).To(BeZero())
	g.Expect(b.calls("LaunchInstance")).To(Equal(1))
	b.delete(t, own)
	b.expectNothingLeft(t)
}

// controlPlaneInUpdate is a machine whose scheduler a KubeadmControlPlane looks at, and which is to
// have v1.37.0.
func (b *bench) controlPlaneInUpdate(t *testing.T) (*infrav1.OCIMeshMachine, *corev1.Node) {
	t.Helper()
	own, node := b.joined(t, packages)
	machine := b.ownerOf(t, own)
	conditions.Set(machine, metav1.Condition{Type: controlplanev1.KubeadmControlPlaneMachineSchedulerPodHealthyCondition, Status: metav1.ConditionTrue, Reason: "Looked"})
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), machine)).To(Succeed())
	b.upgrades(t, own, "v1.37.0", unchanged)
	b.untilTold(t, own, "Updated False Updating", "to begin with Kubernetes v1.37.0")
	b.nodeRuns(t, node, "v1.37.0", corev1.ConditionTrue)
	return own, node
}

// schedulerPod is a node's kube-scheduler, not ready yet.
func (b *bench) schedulerPod(t *testing.T, node *corev1.Node) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: "kube-scheduler-" + node.Name},
		Spec:       corev1.PodSpec{NodeName: node.Name, Containers: []corev1.Container{{Name: "kube-scheduler", Image: "kube-scheduler"}}},
	}
	b.Create(t, pod)
	t.Cleanup(func() { _ = b.Client.Delete(t.Context(), pod, client.GracePeriodSeconds(0)) })
	return pod
}

func (b *bench) isReady(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), pod)).To(Succeed())
}

// The pods' status is the last kubelet's until the new one has looked at them.
func TestAControlPlanesUpdateEndsWhenItsNewKubeletFindsItsPodsReady(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	own, node := b.controlPlaneInUpdate(t)
	kubelet := b.startsKubelet(t, node)
	b.nodeSays(t, node, "v1.37.0 1.102.3 done")

	waits := "waiting for pod kube-scheduler-" + node.Name + " to be ready"
	b.untilTold(t, own, "Updated False Updating", waits)
	pod := b.schedulerPod(t, node)
	b.isReady(t, pod)
	b.untilTold(t, own, "Updated False Updating", waits)
	kubelet.finds(pod)
	b.untilUpdated(t, own)
}

func TestAVersionThatChangesInTheMiddleReplacesTheOneThatWasAskedFor(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	own, node := b.joined(t, packages)
	b.upgrades(t, own, "v1.36.4", unchanged)
	b.untilTold(t, own, "Updated False Updating", "to begin with Kubernetes v1.36.4")
	b.nodeSays(t, node, "v1.36.4 1.102.3 failed not there")

	b.upgrades(t, own, "v1.36.5", unchanged)

	b.untilTold(t, own, "Updated False Updating", "to begin with Kubernetes v1.36.5")
	b.nodeRuns(t, node, "v1.36.5", corev1.ConditionTrue)
	b.nodeSays(t, node, "v1.36.4 1.102.3 done")
	b.untilTold(t, own, "Updated False Updating", "to begin with Kubernetes v1.36.5")
	b.nodeSays(t, node, "v1.36.5 1.102.3 done")
	b.untilUpdated(t, own)
}

func TestANodeIsNotAskedForWhatItHas(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node := b.joined(t, func(*clusterv1.Machine, *infrav1.OCIMeshMachine) {})
	b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.Tags = nil })
	b.untilUpdated(t, own)
	b.Reload(t, node)
	g.Expect(node.Annotations).NotTo(HaveKey(infrav1.WantedVersionsAnnotation))
}

func TestAnUpdateWaitsForWhatItCannotReach(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		spoil func(*testing.T, *bench, *infrav1.OCIMeshMachine, *corev1.Node)
		want  string
	}{
		"the kubeconfig": {func(t *testing.T, b *bench, _ *infrav1.OCIMeshMachine, _ *corev1.Node) {
			NewWithT(t).Expect(b.Client.Delete(t.Context(), b.kubeconfig(t))).To(Succeed())
		}, "Waiting for the cluster's API server: reading the kubeconfig"},
		"the Node": {func(t *testing.T, b *bench, _ *infrav1.OCIMeshMachine, node *corev1.Node) {
			NewWithT(t).Expect(b.Client.Delete(t.Context(), node)).To(Succeed())
		}, "not found"},
		"the Machine's Node": {func(t *testing.T, b *bench, own *infrav1.OCIMeshMachine, _ *corev1.Node) {
			machine := b.ownerOf(t, own)
			machine.Status.NodeRef = clusterv1.MachineNodeReference{}
			NewWithT(t).Expect(b.Client.Status().Update(t.Context(), machine)).To(Succeed())
		}, "Waiting for the Machine to have a Node"},
		"its own Node": {func(t *testing.T, b *bench, own *infrav1.OCIMeshMachine, _ *corev1.Node) {
			other := &corev1.Node{
				ObjectMeta: metav1.ObjectMeta{Name: b.Namespace + "-other"}, Spec: corev1.NodeSpec{ProviderID: "oci://ocid1.instance.oc1..other"},
			}
			b.Create(t, other)
			machine := b.ownerOf(t, own)
			machine.Status.NodeRef = clusterv1.MachineNodeReference{Name: other.Name}
			NewWithT(t).Expect(b.Client.Status().Update(t.Context(), machine)).To(Succeed())
		}, "is of another machine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own, node := b.joined(t, packages)
			world.spoil(t, b, own, node)
			b.upgrades(t, own, "v1.36.4", unchanged)
			b.untilTold(t, own, "Updated False Updating", world.want)
			nodes := &corev1.NodeList{}
			g.Expect(b.Client.List(t.Context(), nodes)).To(Succeed())
			for _, node := range nodes.Items {
				if node.Name == b.Namespace+"-other" || node.Name == b.Namespace+"-machine" {
					g.Expect(node.Annotations).NotTo(HaveKey(infrav1.WantedVersionsAnnotation))
				}
			}
		})
	}
}

func TestOnlyAMachineMadeWithTheGateOpenGetsTheAgent(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]bool{"open": true, "closed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			b.r.InPlaceUpdates = open
			own := b.machine(t, "machine")
			b.pass(t, own)
			b.r.InPlaceUpdates = !open
			b.untilProvisioned(t, own)
			parsed, err := cloudinit.Parse(b.instances(t)[0].UserData)
			g.Expect(err).NotTo(HaveOccurred())
			_, has := parsed.Files["usr/local/sbin/capom-update"]
			g.Expect(has).To(Equal(open))
			g.Expect(updates.HasAgent(own)).To(Equal(open), "the gate of a machine's first pass counts for its life")
		})
	}
}

// What runs there is by the image's version, by hand, or a build of the Machine's.
func TestAnUpdateThatChangesNoVersionEndsWhateverKubeletRuns(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct{ version, kubelet, asked string }{
		"an older one":         {"v1.36.3", "v1.36.2", "v1.36.3 1.104.0"},
		"a later one":          {"v1.36.3", "v1.36.4", "v1.36.3 1.104.0"},
		"a version of a build": {"v1.36.3+own.1", "v1.36.3", "v1.36.3 1.104.0"},
		"another build":        {"v1.36.3+own.1", "v1.36.3+own.2", "v1.36.3 1.104.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own, node := b.worker(t, "4", packages, func(machine *clusterv1.Machine, _ *infrav1.OCIMeshMachine) { machine.Spec.Version = world.version })
			pod := b.pod(t, node, "shop")
			b.nodeRuns(t, node, world.kubelet, corev1.ConditionTrue)
			b.nodeSays(t, node, "v1.36.3 1.102.3 done")

			b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.Tags = nil })
			b.untilUpdated(t, own)
			b.Reload(t, node)
			g.Expect(node.Annotations).NotTo(HaveKey(infrav1.WantedVersionsAnnotation))
			b.done(t, own)

			b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.Tailscale.Version = "1.104.0" })
			b.untilTold(t, own, "Updated False Updating", "to begin with")
			b.Reload(t, node)
			g.Expect(node.Annotations).To(HaveKeyWithValue(infrav1.WantedVersionsAnnotation, world.asked))
			b.nodeSays(t, node, world.asked+" done")
			b.untilUpdated(t, own)
			b.done(t, own)

			b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.Tags = map[string]string{"team": "blue"} })
			b.untilUpdated(t, own)
			g.Expect(b.isCordoned(t, node)).To(BeFalse())
			g.Expect(b.runs(t, pod)).To(BeTrue())
		})
	}
}

func TestAnotherKubeletThanTheOneThatTheAgentHasInstalledIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	own, node := b.joined(t, packages)
	b.upgrades(t, own, "v1.36.4", unchanged)
	b.untilTold(t, own, "Updated False Updating", "to begin with Kubernetes v1.36.4")

	b.nodeSays(t, node, "v1.36.4 1.102.3 done")
	b.untilTold(t, own, "Updated False Updating", "kubelet is v1.36.3")
	b.untilTold(t, own, "Updated False Updating", "Kubernetes v1.36.4")
	b.untilTold(t, own, "Updated False Updating", "journalctl -u kubelet")

	b.nodeRuns(t, node, "v1.36.4", corev1.ConditionTrue)
	b.untilUpdated(t, own)
}

// A moved machine has no status, and nobody knows which version it was updated from.
func TestALostStatusSkipsNoVersion(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	own, node := b.joined(t, packages)
	b.upgrades(t, own, "v1.36.4", unchanged)
	b.losesStatus(t, own)
	b.untilTold(t, own, "Updated False Updating", "to begin with Kubernetes v1.36.4")
	b.nodeRuns(t, node, "v1.36.4", corev1.ConditionTrue)
	b.nodeSays(t, node, "v1.36.4 1.102.3 done")
	b.untilUpdated(t, own)
	NewWithT(t).Expect(own.Status.KubernetesVersion).To(Equal("v1.36.4"))
}
