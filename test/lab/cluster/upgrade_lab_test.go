// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package cluster_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/addons"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// ciliumUpgrades changes the version in the HelmChartProxy, and counts a pod's packets to a pod of
// another node meanwhile. The chart has its version in a label of the agents' pods, so that all of
// them are replaced.
func (s *suite) ciliumUpgrades() {
	count := s.countPackets()
	proxy := addons.NewChartProxy()
	s.Expect(s.world.Client.Get(s.t.Context(), client.ObjectKey{Namespace: s.cluster.Name, Name: s.cluster.Name + "-cilium"}, proxy)).To(Succeed())
	before := proxy.DeepCopy()
	old, _, err := unstructured.NestedString(proxy.Object, "spec", "version")
	s.Expect(err).NotTo(HaveOccurred())
	current := version.MustParseSemantic(old)
	next := current.WithPatch(current.Patch() + 1).String()
	s.Expect(unstructured.SetNestedField(proxy.Object, next, "spec", "version")).To(Succeed())
	s.Expect(s.world.Client.Patch(s.t.Context(), proxy, client.MergeFrom(before))).To(Succeed())

	workload, all := s.workload(), s.cluster.ControlPlanes+s.cluster.Workers
	s.Eventually(func(g Gomega) {
		agents := &appsv1.DaemonSet{}
		g.Expect(workload.Get(s.t.Context(), client.ObjectKey{Namespace: "kube-system", Name: "cilium"}, agents)).To(Succeed())
		g.Expect(agents.Spec.Template.Labels).To(HaveKeyWithValue("helm.sh/chart", "cilium-"+next))
		g.Expect(agents.Status.ObservedGeneration).To(Equal(agents.Generation))
		g.Expect(agents.Status.UpdatedNumberScheduled).To(BeEquivalentTo(all))
		g.Expect(agents.Status.NumberReady).To(BeEquivalentTo(all))
	}, settleTimeout, interval).Should(Succeed())

	sent, received := count()
	fmt.Fprintf(os.Stderr, "Cilium was upgraded: %d of %d packets between pods lost\n", sent-received, sent)
	s.Expect(received).To(BeNumerically(">", sent*9/10), "programs stay loaded while their agent is replaced")
	s.whole()
	s.expectCilium()
}

// countPackets has the probe of one worker ping that of another, until the function is called that
// it returns.
func (s *suite) countPackets() func() (sent, received int) {
	s.t.Helper()
	workers := s.machines(watch.Worker)
	s.Expect(len(workers)).To(BeNumerically(">", 1), "pods of two workers")
	from, to := workers[0], s.probeOn(workers[1])
	s.exec(from, "systemd-run --quiet --unit=lab-traffic --property=StandardOutput=file:/run/lab-traffic "+
		"nsenter --net=/proc/$(pgrep -o -x node)/ns/net ping -i 0.2 "+to.Status.PodIP)
	sentReceived := regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`)
	return func() (sent, received int) {
		s.t.Helper()
		s.exec(from, "systemctl kill --signal=INT lab-traffic")
		var found []string
		s.Eventually(func() []string {
			found = sentReceived.FindStringSubmatch(s.exec(from, "cat /run/lab-traffic"))
			return found
		}, soon, interval).Should(HaveLen(3))
		sent, err := strconv.Atoi(found[1])
		s.Expect(err).NotTo(HaveOccurred())
		received, err = strconv.Atoi(found[2])
		s.Expect(err).NotTo(HaveOccurred())
		return sent, received
	}
}

// probeOn is the probe of a machine's node.
func (s *suite) probeOn(m watch.Machine) corev1.Pod {
	s.t.Helper()
	probes, err := s.cluster.Probes(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	node := s.node(m).Name
	i := slices.IndexFunc(probes.Pods, func(p corev1.Pod) bool { return p.Spec.NodeName == node })
	s.Expect(i).To(BeNumerically(">=", 0), "%s has no probe", node)
	return probes.Pods[i]
}
