// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package cluster_test

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/mirror"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/podnetwork"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	// targetPort is the target's hostPort.
	targetPort = 8090
	// headless and local are Services: of the probes, without an address, and of the target, with a
	// NodePort that keeps its clients' addresses. The target's own one gives them its node's.
	headless, local           = "lab-headless", "lab-local"
	localPort, elsewherePort  = "30081", "30082"
	serviceSuffix, apiService = ".default.svc.cluster.local", "kubernetes"
)

// reached is the target of runTarget, and who reaches it.
type reached struct {
	target *corev1.Pod
	// home is the target's machine, other another one, with the probe far.
	home, other     watch.Machine
	homeIP, otherIP netip.Addr
	probes          *podnetwork.Probes
	far             corev1.Pod
	// routed says that the tailnet has routes to pods.
	routed bool
}

// everyWayToAPod asks a pod in each way that there is, and expects the source that it sees.
func (s *suite) everyWayToAPod() {
	workload := s.workload()
	services := []client.Object{
		service(headless, "lab-probe", corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone}),
		service(local, "lab-target", nodePort(30081, corev1.ServiceExternalTrafficPolicyLocal)),
		service("lab-target", "lab-target", nodePort(30082, corev1.ServiceExternalTrafficPolicyCluster)),
	}
	for _, object := range services {
		s.Expect(workload.Create(s.t.Context(), object)).To(Succeed())
	}
	target := s.runTarget(workload)
	r := reached{target: target, home: s.machineOf(target.Spec.NodeName), routed: s.snapshot().Infra.Spec.PodNetwork.Mode.OnTailnet()}
	r.probes, r.far = s.probeBeside(target.Spec.NodeName)
	r.other = s.machineOf(r.far.Spec.NodeName)
	r.homeIP, r.otherIP = world.InternalIP(s.node(r.home)), world.InternalIP(s.node(r.other))

	s.expectSources(r)
	s.expectOutside(r)
	s.expectNames(r)
	s.expectSizes(r)

	for _, object := range append(services, target) {
		s.Expect(workload.Delete(s.t.Context(), object)).To(Succeed())
	}
}

func service(name, app string, spec corev1.ServiceSpec) *corev1.Service {
	spec.Selector = map[string]string{"app": app}
	if len(spec.Ports) == 0 {
		spec.Ports = []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}
	}
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: spec}
}

func nodePort(port int32, policy corev1.ServiceExternalTrafficPolicy) corev1.ServiceSpec {
	return corev1.ServiceSpec{
		Type: corev1.ServiceTypeNodePort, ExternalTrafficPolicy: policy,
		Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080), NodePort: port}},
	}
}

// way is one to the target or its node: who is asked, how, and whom it sees; anybody for none.
type way struct {
	name   string
	ask    func() (podnetwork.Seen, error)
	node   string
	source netip.Addr
}

// expectSources asks within the cluster.
func (s *suite) expectSources(r reached) {
	s.t.Helper()
	s.exec(r.home, "systemd-run --quiet --unit=lab-serve /opt/capom-lab/node serve")
	defer s.exec(r.home, "systemctl stop lab-serve")
	pod := func(from corev1.Pod, address string) func() (podnetwork.Seen, error) {
		return func() (podnetwork.Seen, error) { return r.probes.See(s.t.Context(), from, "http://"+address) }
	}
	host := func(m watch.Machine, address string) func() (podnetwork.Seen, error) {
		return func() (podnetwork.Seen, error) {
			body, err := s.fetchOn(m, "http://"+address)
			if err != nil {
				return podnetwork.Seen{}, err
			}
			return podnetwork.ParseSeen(body)
		}
	}
	node, ip, home := r.target.Spec.NodeName, r.target.Status.PodIP+":8080", r.homeIP.String()
	farIP := netip.MustParseAddr(r.far.Status.PodIP)
	fromHost, toHost := netip.MustParseAddr(s.exec(r.other, "ip -4 -o address show dev cilium_host | awk '{print $4}' | cut -d / -f 1")), r.otherIP
	if r.routed {
		fromHost, toHost = r.otherIP, farIP
	}
	s.expectWays([]way{
		{"a pod to a pod of another node", pod(r.far, ip), node, farIP},
		{"a node to a pod of another node", host(r.other, ip), node, fromHost},
		{"a pod to another node", pod(r.far, home+":8080"), "", toHost},
		{"a pod to itself by its Service", pod(*r.target, "lab-target"+serviceSuffix), node, netip.Addr{}},
		{"a pod to a NodePort of another node", pod(r.far, home+":"+elsewherePort), node, netip.Addr{}},
		{"a node to a NodePort of another node", host(r.other, home+":"+elsewherePort), node, netip.Addr{}},
		{"a node to a NodePort that keeps sources", host(r.other, home+":"+localPort), node, fromHost},
		{"a node to the NodePort of its own 127.0.0.1", host(r.other, "127.0.0.1:"+elsewherePort), node, netip.Addr{}},
		{"a node to a hostPort of another node", host(r.other, home+":8090"), node, netip.Addr{}},
	})
}

func (s *suite) expectWays(ways []way) {
	s.t.Helper()
	for _, w := range ways {
		s.Eventually(func(g Gomega) {
			seen, err := w.ask()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(seen.Node).To(Equal(w.node))
			if w.source.IsValid() {
				g.Expect(seen.Source).To(Equal(w.source))
			}
		}, soon, interval).Should(Succeed(), w.name)
	}
}

// expectOutside asks from another device of the tailnet, and from the node's VCN.
func (s *suite) expectOutside(r reached) {
	s.t.Helper()
	device := func(address netip.Addr, port string) func() (podnetwork.Seen, error) {
		return func() (podnetwork.Seen, error) {
			body, err := fetch(s.t.Context(), "http://"+net.JoinHostPort(address.String(), port))
			if err != nil {
				return podnetwork.Seen{}, err
			}
			return podnetwork.ParseSeen(body)
		}
	}
	node, own := r.target.Spec.NodeName, s.addressTo(r.homeIP)
	s.expectWays([]way{
		{"a device to a hostPort", device(r.homeIP, "8090"), node, own},
		{"a device to a NodePort that keeps sources", device(r.homeIP, localPort), node, own},
		{"a device to a NodePort of another node", device(r.otherIP, elsewherePort), node, netip.Addr{}},
	})
	seen, err := device(r.otherIP, elsewherePort)()
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(seen.Source).NotTo(Equal(own), "the answer has to come back by the node that was asked")
	_, err = device(r.otherIP, localPort)()
	s.Expect(err).To(HaveOccurred(), "a NodePort that keeps sources leads to no other node")
	s.expectRejectedOnVCN(r.home, "8090")
}

// addressTo is the management host's own address on the way to another one.
func (s *suite) addressTo(to netip.Addr) netip.Addr {
	s.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "udp", netip.AddrPortFrom(to, 9).String())
	s.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
}

// expectNames looks names up in a pod.
func (s *suite) expectNames(r reached) {
	s.t.Helper()
	var pods []any
	for _, probe := range r.probes.Pods {
		pods = append(pods, probe.Status.PodIP)
	}
	for name, addresses := range map[string][]any{
		headless + serviceSuffix:   pods,
		apiService + serviceSuffix: {"10.96.0.1"},
		mirror.Hosts[0]:            {network.MirrorAddress},
	} {
		s.Eventually(func() (any, error) {
			a, err := r.probes.Ask(s.t.Context(), r.far, "resolve", "name", name)
			if err == nil && a.Error != "" {
				err = errors.New(a.Error)
			}
			return a.Value, err
		}, soon, interval).Should(ConsistOf(addresses...), name)
	}
}

// machineOf is the machine of a node.
func (s *suite) machineOf(node string) watch.Machine {
	s.t.Helper()
	machines := s.snapshot().Machines
	i := slices.IndexFunc(machines, func(m watch.Machine) bool { return s.node(m).Name == node })
	s.Expect(i).To(BeNumerically(">=", 0), "%s has no machine", node)
	return machines[i]
}

// probeBeside is a probe of another node than this one, of all probes.
func (s *suite) probeBeside(node string) (*podnetwork.Probes, corev1.Pod) {
	s.t.Helper()
	probes, err := s.cluster.Probes(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	i := slices.IndexFunc(probes.Pods, func(p corev1.Pod) bool { return p.Spec.NodeName != node })
	s.Expect(i).To(BeNumerically(">=", 0), "there is no probe but that of %s", node)
	return probes, probes.Pods[i]
}
