// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
)

func TestANodeWithTheAgentTakesTheVersionThatItsNodeAsksFor(t *testing.T) {
	w := newWorld(t, "127.100.0.31")
	w.booter.Boot(t.Context(), w.instance("cp-0", true, w.initData(), func(in *cloudinit.Input) { in.Agent = true }))
	w.Eventually(w.ready(t, "cp-0")).Should(Equal("True"))
	nodes := w.client(t).CoreV1().Nodes()
	configs := w.client(t).CoreV1().ConfigMaps(metav1.NamespaceSystem)
	said := func() string {
		node, err := nodes.Get(t.Context(), "cp-0", metav1.GetOptions{})
		w.Expect(err).NotTo(HaveOccurred())
		return node.Status.NodeInfo.KubeletVersion + ": " + node.Annotations[infrav1.ReportedVersionsAnnotation]
	}
	ask := func(wanted string) {
		patch := `{"metadata":{"annotations":{"` + infrav1.WantedVersionsAnnotation + `":"` + wanted + `"}}}`
		_, err := nodes.Patch(t.Context(), "cp-0", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		w.Expect(err).NotTo(HaveOccurred())
	}
	ask("v1.36.2 - fetch")
	w.Eventually(said).Should(Equal("v1.36.1: v1.36.2 - fetch failed kubeadm-config has another version than v1.36.2"))

	config, err := configs.Get(t.Context(), "kubeadm-config", metav1.GetOptions{})
	w.Expect(err).NotTo(HaveOccurred())
	config.Data["ClusterConfiguration"] = "kubernetesVersion: v1.36.2\n"
	_, err = configs.Update(t.Context(), config, metav1.UpdateOptions{})
	w.Expect(err).NotTo(HaveOccurred())

	w.Eventually(said).Should(Equal("v1.36.1: v1.36.2 - fetch done"))
	ask("v1.36.2 -")
	w.Eventually(said).Should(Equal("v1.36.2: v1.36.2 - done"))
	pod, err := w.client(t).CoreV1().Pods(metav1.NamespaceSystem).Get(t.Context(), "kube-apiserver-cp-0", metav1.GetOptions{})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(pod.Spec.Containers).To(HaveExactElements(HaveField("Image", HaveSuffix(":v1.36.2"))))
	answer, err := w.client(t).CoreV1().RESTClient().Get().Resource("nodes").Name("cp-0").SubResource("proxy").Suffix("pods").DoRaw(t.Context())
	w.Expect(err).NotTo(HaveOccurred())
	seen := &corev1.PodList{}
	w.Expect(json.Unmarshal(answer, seen)).To(Succeed())
	w.Expect(seen.Items).To(ContainElement(And(HaveField("Name", pod.Name), HaveField("Status", pod.Status))))
}

func TestANodeWithoutTheAgentStaysAsItIs(t *testing.T) {
	w := newWorld(t, "127.100.0.32")
	w.cluster(t)
	nodes := w.client(t).CoreV1().Nodes()
	patch := `{"metadata":{"annotations":{"` + infrav1.WantedVersionsAnnotation + `":"v1.36.2 -"}}}`
	_, err := nodes.Patch(t.Context(), "cp-0", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	w.Expect(err).NotTo(HaveOccurred())

	w.Consistently(func() *corev1.Node {
		node, err := nodes.Get(t.Context(), "cp-0", metav1.GetOptions{})
		w.Expect(err).NotTo(HaveOccurred())
		return node
	}).ShouldNot(HaveField("ObjectMeta.Annotations", HaveKey(infrav1.ReportedVersionsAnnotation)))
}
