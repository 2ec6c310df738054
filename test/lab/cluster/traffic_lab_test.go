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
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

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
// are allowed to.
func (s *suite) policyDeniesAndAllows() {
	p := s.police()
	p.deny()
	p.allow()
	p.end()
}

// policed is the target of runTarget, and a policy for it.
type policed struct {
	*suite
	workload client.Client
	target   *corev1.Pod
	policy   *networkingv1.NetworkPolicy
}

// police runs a target that all probes reach; there is no policy yet.
func (s *suite) police() policed {
	s.t.Helper()
	workload := s.workload()
	target := s.runTarget(workload)
	p := policed{suite: s, workload: workload, target: target, policy: &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: target.Namespace, Name: target.Name},
	}}
	p.expectReaching(s.cluster.ControlPlanes+s.cluster.Workers, "control")
	return p
}

func (p policed) deny() {
	p.t.Helper()
	p.from("others")
	p.expectReaching(0, "pods that the policy does not name")
}

func (p policed) allow() {
	p.t.Helper()
	p.from("lab-probe")
	p.expectReaching(p.cluster.ControlPlanes+p.cluster.Workers, "pods that the policy names")
}

// from has the policy let in pods of a label alone.
func (p policed) from(label string) {
	p.t.Helper()
	labelled := func(label string) metav1.LabelSelector {
		return metav1.LabelSelector{MatchLabels: map[string]string{"app": label}}
	}
	_, err := controllerutil.CreateOrPatch(p.t.Context(), p.workload, p.policy, func() error {
		p.policy.Spec.PodSelector = labelled(p.target.Name)
		p.policy.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: ptr.To(labelled(label))}}}}
		return nil
	})
	p.Expect(err).NotTo(HaveOccurred())
}

func (p policed) expectReaching(probes int, which string) {
	p.t.Helper()
	p.Eventually(func() (int, error) { return p.probesReaching(p.target.Status.PodIP + ":8080") }, soon, interval).Should(Equal(probes), which)
}

func (p policed) end() {
	p.t.Helper()
	p.Expect(client.IgnoreNotFound(p.workload.Delete(p.t.Context(), p.policy))).To(Succeed())
	p.Expect(p.workload.Delete(p.t.Context(), p.target)).To(Succeed())
}

// runTarget runs a pod that answers as the probes do, and waits for its address.
func (s *suite) runTarget(workload client.Client) *corev1.Pod {
	s.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "lab-target", Labels: map[string]string{"app": "lab-target"}},
		Spec:       answering(),
	}
	target := &pod.Spec.Containers[0]
	target.Env = []corev1.EnvVar{{Name: "NODE_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}}}
	target.Ports = []corev1.ContainerPort{{ContainerPort: 8080, HostPort: targetPort}}
	// That of the stage before may still be going.
	s.Eventually(func() error { return workload.Create(s.t.Context(), pod.DeepCopy()) }, soon, interval).Should(Succeed())
	s.Eventually(func() (string, error) {
		err := workload.Get(s.t.Context(), client.ObjectKeyFromObject(pod), pod)
		return pod.Status.PodIP, err
	}, soon, interval).ShouldNot(BeEmpty())
	return pod
}

// answering is a pod that answers as the probes do.
func answering() corev1.PodSpec {
	return corev1.PodSpec{
		TerminationGracePeriodSeconds: ptr.To(int64(1)),
		Containers: []corev1.Container{{
			Name: "target", Image: kit.BaseImage, ImagePullPolicy: corev1.PullNever, Command: []string{"/lab/node", "serve"},
			VolumeMounts: []corev1.VolumeMount{{Name: "lab", MountPath: "/lab"}},
		}},
		Volumes: []corev1.Volume{{Name: "lab", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/opt/capom-lab"}}}},
	}
}

// probesReaching counts the probes that get an answer from a host.
func (s *suite) probesReaching(host string) (int, error) {
	probes, err := s.cluster.Probes(s.t.Context())
	if err != nil {
		return -1, err
	}
	var reaching atomic.Int32
	var asked errgroup.Group
	for _, pod := range probes.Pods {
		asked.Go(func() error {
			reached, err := probes.CanReach(s.t.Context(), pod, &url.URL{Scheme: "http", Host: host})
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
