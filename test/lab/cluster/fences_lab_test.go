// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab && cilium

package cluster_test

import (
	"strings"

	. "github.com/onsi/gomega"
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

func ofCilium(kind, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(ciliumAPI.WithKind(kind))
	object.SetName(name)
	return object
}
