// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	// probesPort is the NodePort of the probes' Service (podnetwork/manifests.yaml).
	probesPort = "30080"
	// answerTimeout is for one question to a Service.
	answerTimeout = 5 * time.Second
)

// servicesAnswer asks the probes' Service from the nodes' own processes, and by its NodePort from
// another device of the tailnet and from the VCN.
func (s *suite) servicesAnswer() {
	workload := s.workload()
	service := &corev1.Service{}
	s.Expect(workload.Get(s.t.Context(), client.ObjectKey{Namespace: "default", Name: "lab-probe"}, service)).To(Succeed())
	for _, m := range s.snapshot().Machines {
		s.Eventually(func() error {
			_, err := s.fetchOn(m, "http://"+service.Spec.ClusterIP)
			return err
		}, soon, interval).Should(Succeed(), "%s does not reach a Service", m.Name)
		s.Eventually(func() error {
			_, err := fetch(s.t.Context(), "http://"+world.InternalIP(s.node(m)).String()+":"+probesPort)
			return err
		}, soon, interval).Should(Succeed(), "the NodePort of %s on the tailnet", m.Name)
		s.expectRejectedOnVCN(m, probesPort)
	}
}

// fetchOn gets a URL on a machine. It is a service of the machine's: Cilium translates addresses
// for processes in its control groups.
func (s *suite) fetchOn(m watch.Machine, address string) (string, error) {
	return s.booted(m).Exec(s.t.Context(), "systemd-run", "--quiet", "--pipe", "--wait", "curl", "-fsS", "--max-time", "5", address)
}

// expectRejectedOnVCN expects that the image's firewall rejects connections to a port of a
// machine's private address.
func (s *suite) expectRejectedOnVCN(m watch.Machine, port string) {
	s.t.Helper()
	private := s.exec(m, "ip -4 -o address show dev ens3 | awk '{print $4}' | cut -d / -f 1 | head -n 1")
	s.Expect(errors.Is(s.dialFromVCN(m, private+":"+port), syscall.EHOSTUNREACH)).To(BeTrue(), "port %s of %s on its VCN is rejected", port, m.Name)
}

// dialFromVCN connects to an address from the VCN of a machine.
func (s *suite) dialFromVCN(m watch.Machine, address string) error {
	s.t.Helper()
	router := s.world.Router(m.Instance)
	s.Expect(router).NotTo(BeEmpty())
	ctx, stop := context.WithTimeout(s.t.Context(), answerTimeout)
	defer stop()
	conn, err := network.Dial(ctx, router, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// fetch gets a URL from the management host.
func fetch(ctx context.Context, address string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, answerTimeout)
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s", address, response.Status)
	}
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// policyDeniesAndAllows has all probes ask a pod of another label, while nothing, others and they
// are allowed to, and reads what Hubble makes of it.
func (s *suite) policyDeniesAndAllows() {
	workload := s.workload()
	target := s.runTarget(workload)
	all := s.cluster.ControlPlanes + s.cluster.Workers
	reach := func() (int, error) { return s.probesReaching(target) }
	s.Eventually(reach, soon, interval).Should(Equal(all), "control")
	hubble := s.hubbleOf(target)
	byZone := s.policyByZone(target)
	s.Expect(workload.Create(s.t.Context(), byZone)).To(Succeed())

	from := func(label string) []networkingv1.NetworkPolicyIngressRule {
		return []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": label}}}}}}
	}
	policy := &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: target.Namespace, Name: target.Name},
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": target.Name}}, Ingress: from("others")},
	}
	s.Expect(workload.Create(s.t.Context(), policy)).To(Succeed())
	s.Eventually(reach, soon, interval).Should(BeZero(), "pods that the policy does not name")
	hubble.expectDenied(s)

	policy.Spec.Ingress = from("lab-probe")
	s.Expect(workload.Update(s.t.Context(), policy)).To(Succeed())
	s.Eventually(reach, soon, interval).Should(Equal(all), "pods that the policy names")
	hubble.expectAllowed(s)

	policy.Spec.Ingress = from("others")
	s.Expect(workload.Update(s.t.Context(), policy)).To(Succeed())
	s.Eventually(reach, soon, interval).Should(BeZero())
	s.Expect(workload.Delete(s.t.Context(), policy)).To(Succeed())
	// Cilium has had the policy by zone since before the one that it now knows to be gone.
	s.Eventually(reach, soon, interval).Should(Equal(all), "a policy by a label that Cilium leaves out (docs/kinds/ocimeshmachine.md)")
	s.Expect(workload.Delete(s.t.Context(), byZone)).To(Succeed())
	s.Expect(workload.Delete(s.t.Context(), target)).To(Succeed())
}

// policyByZone denies everything to a pod, which it selects by the zone that Kubernetes copies from
// the pod's node.
func (s *suite) policyByZone(target *corev1.Pod) *networkingv1.NetworkPolicy {
	s.t.Helper()
	s.Expect(target.Labels).To(HaveKey(corev1.LabelTopologyZone))
	selector := map[string]string{"app": target.Labels["app"], corev1.LabelTopologyZone: target.Labels[corev1.LabelTopologyZone]}
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: target.Namespace, Name: target.Name + "-by-zone"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: selector}, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		},
	}
}

// runTarget runs a pod that answers as the probes do, and waits for its address.
func (s *suite) runTarget(workload client.Client) *corev1.Pod {
	s.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "lab-target", Labels: map[string]string{"app": "lab-target"}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: ptr.To(int64(1)),
			Containers: []corev1.Container{{
				Name: "target", Image: kit.BaseImage, ImagePullPolicy: corev1.PullNever, Command: []string{"/lab/node", "serve"},
				Env:          []corev1.EnvVar{{Name: "NODE_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}}},
				Ports:        []corev1.ContainerPort{{ContainerPort: 8080, HostPort: targetPort}},
				VolumeMounts: []corev1.VolumeMount{{Name: "lab", MountPath: "/lab"}},
			}},
			Volumes: []corev1.Volume{{Name: "lab", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/opt/capom-lab"}}}},
		},
	}
	s.Expect(workload.Create(s.t.Context(), pod)).To(Succeed())
	s.Eventually(func() (string, error) {
		err := workload.Get(s.t.Context(), client.ObjectKeyFromObject(pod), pod)
		return pod.Status.PodIP, err
	}, soon, interval).ShouldNot(BeEmpty())
	return pod
}

// probesReaching counts the probes that get an answer from a pod.
func (s *suite) probesReaching(target *corev1.Pod) (int, error) {
	probes, err := s.cluster.Probes(s.t.Context())
	if err != nil {
		return -1, err
	}
	var reaching atomic.Int32
	var asked errgroup.Group
	for _, pod := range probes.Pods {
		asked.Go(func() error {
			reached, err := probes.CanReach(s.t.Context(), pod, &url.URL{Scheme: "http", Host: target.Status.PodIP + ":8080"})
			if reached {
				reaching.Add(1)
			}
			return err
		})
	}
	err = asked.Wait()
	return int(reaching.Load()), err
}

// workload is a client of the cluster's API server.
func (s *suite) workload() client.Client {
	s.t.Helper()
	workload, err := s.cluster.Client(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	return workload
}
