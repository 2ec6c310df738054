// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func TestTheKernelTakesTheRules(t *testing.T) {
	g := NewWithT(t)
	meta := metav1.ObjectMeta{Namespace: "default", Name: "kubernetes", Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"}}
	service := corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.1",
		Ports: []corev1.ServicePort{{Name: "https", Port: 443, Protocol: corev1.ProtocolTCP}}}}
	slice := discoveryv1.EndpointSlice{ObjectMeta: meta, AddressType: discoveryv1.AddressTypeIPv4,
		Ports:     []discoveryv1.EndpointPort{{Name: ptr.To("https"), Port: ptr.To(int32(6443))}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"100.64.0.7"}}, {Addresses: []string{"100.64.0.6"}}}}
	s := settings{podCIDR: "10.244.0.0/16", mark: "0x00080000"}

	rules := s.rules(serviceRules([]corev1.Service{service}, []discoveryv1.EndpointSlice{slice}))

	g.Expect(rules).To(ContainSubstring("dnat to 100.64.0.6:6443"))
	g.Expect(rules).To(ContainSubstring(`oifname "cilium_host" ct status dnat masquerade`), "a pod that reaches itself by a Service")
	cmd := exec.CommandContext(t.Context(), "unshare", "--map-root-user", "--net", "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	out, err := cmd.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), "%s\n%s", out, rules)
}
