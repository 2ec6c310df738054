// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/cluster-api/util/secret"
)

func TestAControlPlaneAndAWorkerBecomeReadyNodes(t *testing.T) {
	w := newWorld(t, "127.100.1.1")
	first := w.cluster(t)
	worker := w.instance("worker-0", false, w.workerData(token))

	w.booter.Boot(t.Context(), worker)
	w.Eventually(w.ready(t, "worker-0")).Should(Equal("True"))

	nodes, err := w.client(t).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(nodes.Items).To(HaveLen(2))
	addresses := map[string]string{}
	for _, d := range w.tailnet.Devices() {
		addresses[d.Hostname] = d.IPv4.String()
	}
	for _, n := range nodes.Items {
		w.Expect(n.Spec.ProviderID).To(Equal("oci://ocid1.instance.oc1.test." + n.Name))
		w.Expect(n.Status.NodeInfo.KubeletVersion).To(Equal(kubernetesVersion))
		w.Expect(n.Status.NodeInfo.Architecture).To(Equal("arm64"))
		w.Expect(n.Status.Addresses).To(ContainElement(corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: addresses[n.Name]}))
	}
	w.Expect(w.console(first)()).To(ContainSubstring("kubeadm init"))
	w.Expect(w.console(worker)()).To(ContainSubstring("kubeadm join"))
}

func TestTheAPIServerAnswersWhatClusterAPIAndHelmAsk(t *testing.T) {
	w := newWorld(t, "127.100.1.2")
	w.cluster(t)
	client, ctx := w.client(t), t.Context()

	version, err := client.Discovery().ServerVersion()
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(version.GitVersion).To(Equal(kubernetesVersion))

	patch := []byte(`{"status":{"phase":"Running"}}`)
	_, err = client.CoreV1().Nodes().Patch(ctx, "cp-0", types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	w.Expect(err).NotTo(HaveOccurred())
	node, err := client.CoreV1().Nodes().Get(ctx, "cp-0", metav1.GetOptions{})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(node.Status.Phase).To(Equal(corev1.NodeRunning))

	pods := client.CoreV1().Pods(metav1.NamespaceDefault)
	_, err = pods.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.PodSpec{NodeName: "cp-0"}}, metav1.CreateOptions{})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(pods.EvictV1(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: metav1.NamespaceDefault}})).To(Succeed())
	_, err = pods.Get(ctx, "web", metav1.GetOptions{})
	w.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the pod was evicted")

	_, err = client.AppsV1().Deployments(metav1.NamespaceSystem).Get(ctx, "coredns", metav1.GetOptions{})
	w.Expect(err).NotTo(HaveOccurred())
}

func TestAClientWithoutACertificateOfTheClusterIsUnauthorized(t *testing.T) {
	w := newWorld(t, "127.100.1.3")
	w.cluster(t)

	_, err := w.clientSignedBy(t, newCertificates(w.WithT)).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})

	w.Expect(apierrors.IsUnauthorized(err)).To(BeTrue(), "got %v", err)
}

// etcdMembers asks the etcd of one node, as a port-forward by Cluster API does.
func (w *world) etcdMembers(ctx context.Context, node string) ([]string, error) {
	pair := w.certs.GetByPurpose(secret.EtcdCA).KeyPair
	ca, err := parseAuthority(string(pair.Cert), string(pair.Key))
	w.Expect(err).NotTo(HaveOccurred())
	cert, err := ca.issue("cluster-api", nil)
	w.Expect(err).NotTo(HaveOccurred())
	config := &tls.Config{Certificates: []tls.Certificate{*cert}, ServerName: "etcd-" + node, RootCAs: poolOf(ca), MinVersion: tls.VersionTLS12}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"etcd-" + node}, TLS: config, DialTimeout: 2 * time.Second,
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", w.vip+":6443")
		})},
	})
	w.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	list, err := client.MemberList(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(list.Members))
	for _, m := range list.Members {
		names = append(names, m.Name)
	}
	return names, nil
}

func TestTheEndpointFailsOverAndTheLostNodeIsNoticed(t *testing.T) {
	w := newWorld(t, "127.100.1.4")
	first := w.cluster(t)
	for _, name := range []string{"cp-1", "cp-2"} {
		w.booter.Boot(t.Context(), w.instance(name, true, w.controlPlaneJoinData(w.certs)))
		w.Eventually(w.ready(t, name)).Should(Equal("True"))
	}
	members, err := w.etcdMembers(t.Context(), "cp-0")
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(members).To(ConsistOf("cp-0", "cp-1", "cp-2"))

	w.booter.Terminate(first.ID)

	w.Eventually(w.ready(t, "cp-0")).Should(Equal("Unknown"), "another control plane answers and has noticed")
	node, err := w.client(t).CoreV1().Nodes().Get(t.Context(), "cp-0", metav1.GetOptions{})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(node.Spec.Taints).To(ContainElement(HaveField("Key", corev1.TaintNodeUnreachable)))
	_, err = w.etcdMembers(t.Context(), "cp-0")
	w.Expect(err).To(HaveOccurred(), "a dead member does not answer")
	w.Eventually(func() ([]string, error) { return w.etcdMembers(t.Context(), "cp-1") }).
		Should(ConsistOf("cp-0", "cp-1", "cp-2"), "the others elect a leader, and keep the dead one as a member until it is removed")
}

func TestAClusterWithoutQuorumDoesNotAnswerUntilAMemberIsBack(t *testing.T) {
	w := newWorld(t, "127.100.1.5")
	first := w.cluster(t)
	second := w.instance("cp-1", true, w.controlPlaneJoinData(w.certs))
	w.booter.Boot(t.Context(), second)
	w.Eventually(w.ready(t, "cp-1")).Should(Equal("True"))

	w.booter.Stop(second.ID)
	w.Eventually(w.ready(t, "cp-0")).Should(ContainSubstring("refused"))
	w.booter.Boot(t.Context(), second)

	w.Eventually(w.ready(t, "cp-0")).Should(Equal("True"))
	w.Eventually(w.ready(t, "cp-1")).Should(Equal("True"))
	w.Expect(w.tailnet.Devices()).To(HaveLen(2), "the node came back as the same device")
	w.Expect(w.console(first)()).NotTo(ContainSubstring("again"))
}

func TestTheVIPAnswersOnlyOnceItsRouteIsApproved(t *testing.T) {
	w := newWorld(t, "127.100.1.6")
	w.Expect(w.tailnet.SetPolicy(map[string][]string{nodeTag: {"group:admins"}}, nil)).To(Succeed())
	first := w.instance("cp-0", true, w.initData())
	w.booter.Boot(t.Context(), first)
	w.Eventually(w.console(first)).Should(ContainSubstring("kubeadm init"))
	w.Consistently(w.ready(t, "cp-0"), "200ms").Should(ContainSubstring("refused"))

	w.approveRoutes()

	w.Eventually(w.ready(t, "cp-0")).Should(Equal("True"))
}

func TestAClusterWhoseControlPlanesAreTerminatedIsForgotten(t *testing.T) {
	w := newWorld(t, "127.100.1.7")
	w.booter.Terminate(w.cluster(t).ID)
	w.Eventually(w.ready(t, "cp-0")).Should(ContainSubstring("refused"))

	w.certs = newCertificates(w.WithT)
	w.booter.Boot(t.Context(), w.instance("other-0", true, w.initData()))

	w.Eventually(w.ready(t, "other-0")).Should(Equal("True"))
	nodes, err := w.client(t).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(nodes.Items).To(HaveLen(1))
}
