// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab && cilium

package cluster_test

import (
	"fmt"
	"strconv"
	"strings"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

var ciliumAPI = schema.GroupVersion{Group: "cilium.io", Version: "v2"}

// guardHangs stops a machine's guard where it is, takes away what it would put back, and lets it go
// on after the look.
func (s *suite) guardHangs(m watch.Machine, remove string, look func()) {
	s.t.Helper()
	s.exec(m, "systemctl kill --signal=STOP capom-guard.service && "+remove)
	defer s.exec(m, "systemctl kill --signal=CONT capom-guard.service")
	look()
}

// eitherKeepsMetadata takes the guard away, or Cilium's policy, and both.
func (s *suite) eitherKeepsMetadata() {
	const asked = `pod="nsenter --net=/proc/$(pgrep -o -x node)/ns/net"
$pod curl -sf -m 3 -o /dev/null -H 'Authorization: Bearer Oracle' http://169.254.169.254/opc/v2/instance/id && echo metadata
$pod timeout 3 bash -c '</dev/tcp/169.254.0.2/3260' && echo volume
true`
	workload, worker := s.workload(), s.machines(watch.Worker)[0]
	reached := func() []string { return strings.Fields(s.exec(worker, asked)) }
	policy := ofCilium("CiliumClusterwideNetworkPolicy", "ocimesh-no-instance-services")
	s.Expect(workload.Get(s.t.Context(), client.ObjectKeyFromObject(policy), policy)).To(Succeed())
	spec := policy.Object["spec"]
	remove := func() { s.Expect(workload.Delete(s.t.Context(), policy)).To(Succeed()) }
	put := func() {
		policy = ofCilium(policy.GetKind(), policy.GetName())
		policy.Object["spec"] = spec
		s.Expect(workload.Create(s.t.Context(), policy)).To(Succeed())
	}
	s.Expect(reached()).To(BeEmpty(), "both are there")

	remove()
	s.guardHangs(worker, "nft delete table inet capom", func() {
		s.Eventually(reached, soon, interval).Should(ConsistOf("metadata", "volume"), "control: neither is there")
		put()
		s.Eventually(reached, soon, interval).Should(BeEmpty(), "the policy alone")
		s.Expect(s.exec(worker, "nft list tables")).NotTo(ContainSubstring("inet capom"), "the guard hangs")
		remove()
		s.Eventually(reached, soon, interval).Should(ConsistOf("metadata", "volume"), "control: the policy is away")
	})
	s.Eventually(reached, soon, interval).Should(BeEmpty(), "the guard alone")
	put()
}

// marked is an identity of Cilium's whose low byte, in the mark of a packet, is tailscale's for
// packets that are to stay off the tailnet (0x80000 of 0xff0000, its linuxfw.go; set_identity_mark
// in Cilium's bpf/lib/identity.h). One in 256 is like that.
const marked = 0xff08

// packetsOfAnyMark runs a pod of that identity, which reaches a pod of another node by the guard's
// rule alone.
func (s *suite) packetsOfAnyMark() {
	workload, worker := s.workload(), s.machines(watch.Worker)[0]
	probe, far := s.probeOn(worker), s.probeOn(s.machines(watch.Worker)[1])
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: probe.Namespace, Name: "lab-marked", Labels: map[string]string{"app": "lab-marked"}}, Spec: answering()}
	// Names of ports are a part of an identity.
	pod.Spec.NodeName, pod.Spec.Containers[0].Ports = probe.Spec.NodeName, probe.Spec.Containers[0].Ports
	identity := s.identityLike(workload, probe, pod.Labels["app"])
	s.Expect(workload.Create(s.t.Context(), identity)).To(Succeed())
	s.Expect(workload.Create(s.t.Context(), pod)).To(Succeed())
	s.Eventually(func() (string, error) {
		err := workload.Get(s.t.Context(), client.ObjectKeyFromObject(pod), pod)
		return pod.Status.PodIP, err
	}, soon, interval).ShouldNot(BeEmpty())
	s.Eventually(func() (int64, error) { return s.identityOf(workload, *pod) }, soon, interval).Should(BeEquivalentTo(marked))

	// The answer of the pod to an API server would have the mark, too.
	ping := fmt.Sprintf(`for pid in $(pgrep -x node); do
	nsenter --net=/proc/$pid/ns/net ip -4 -o address | grep -q 'inet %s/' || continue
	nsenter --net=/proc/$pid/ns/net ping -c 1 -W 2 %s >/dev/null && echo reached
done
true`, pod.Status.PodIP, far.Status.PodIP)
	reached := func() string { return s.exec(worker, ping) }
	s.Eventually(reached, soon, interval).Should(Equal("reached"))
	s.guardHangs(worker, "ip rule del pref 5200 to 100.64.0.0/10 lookup 52", func() {
		s.Eventually(reached, soon, interval).Should(BeEmpty(), "control: its packets leave in clear, and are lost")
	})
	s.Eventually(reached, soon, interval).Should(Equal("reached"), "after the guard is back")

	for _, object := range []client.Object{pod, identity} {
		s.Expect(workload.Delete(s.t.Context(), object)).To(Succeed())
	}
}

// identityLike is the marked identity, for pods of a label that are otherwise like this one: Cilium
// gives a pod the identity that there is for its labels.
func (s *suite) identityLike(workload client.Client, pod corev1.Pod, label string) *unstructured.Unstructured {
	s.t.Helper()
	id, err := s.identityOf(workload, pod)
	s.Expect(err).NotTo(HaveOccurred())
	like := ofCilium("CiliumIdentity", strconv.FormatInt(id, 10))
	s.Expect(workload.Get(s.t.Context(), client.ObjectKeyFromObject(like), like)).To(Succeed())
	labels, found, err := unstructured.NestedStringMap(like.Object, "security-labels")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(found).To(BeTrue())
	labels["k8s:app"] = label
	identity := ofCilium("CiliumIdentity", strconv.Itoa(marked))
	identity.SetLabels(like.GetLabels())
	s.Expect(unstructured.SetNestedStringMap(identity.Object, labels, "security-labels")).To(Succeed())
	return identity
}

// identityOf is the identity that Cilium has given a pod.
func (s *suite) identityOf(workload client.Client, pod corev1.Pod) (int64, error) {
	endpoint := ofCilium("CiliumEndpoint", pod.Name)
	if err := workload.Get(s.t.Context(), client.ObjectKeyFromObject(&pod), endpoint); err != nil {
		return 0, err
	}
	id, _, err := unstructured.NestedInt64(endpoint.Object, "status", "identity", "id")
	return id, err
}

func ofCilium(kind, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(ciliumAPI.WithKind(kind))
	object.SetName(name)
	return object
}
