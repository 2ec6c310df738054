// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab && cilium

package cluster_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/scrape"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	monitoring = "monitoring"
	// fleetAccount is the service account of the fleet's Prometheus, and inPod where its pod has
	// the account's files.
	fleetAccount = "monitoring-kube-prometheus-prometheus"
	inPod        = "/var/run/secrets/kubernetes.io/serviceaccount/"
)

// prometheusFinds installs what the fleet's chart has of ours, has a Prometheus on a worker scrape
// the chart's jobs, and evaluates all that dashboards and alerts for clusters ask for. What
// kube-state-metrics tells is not there, and nothing of peers: a member alone has none
// (test/observability asks two).
func (s *suite) prometheusFinds() {
	workload := s.workload()
	endpoint := s.snapshot().Infra.Spec.ControlPlaneEndpoint
	values, err := scrape.FleetValues(programs.Root, map[string]string{"MONITORING_PROXY_IMAGE": kit.NginxImage},
		map[string]any{"host": endpoint.Host, "port": int64(endpoint.Port)})
	s.Expect(err).NotTo(HaveOccurred())
	s.installMonitoring(workload, values)

	discover := func(_ string, discovers map[string]any) ([]scrape.Target, error) {
		return s.discover(workload, discovers)
	}
	configuration, err := scrape.Configuration(values, discover, nil, s.accountFiles(workload))
	s.Expect(err).NotTo(HaveOccurred())
	all, err := scrape.Queries(programs.Root, scrape.ClustersRules, scrape.ClustersDashboards...)
	s.Expect(err).NotTo(HaveOccurred())
	all = slices.DeleteFunc(all, func(q scrape.Query) bool {
		return strings.Contains(q.Expression, "kube_") || strings.Contains(q.Expression, "etcd_network_peer_")
	})
	for _, metric := range []string{"hubble_flows_processed_total", "hubble_drop_total", "cilium_operator_process_start_time_seconds"} {
		all = append(all, scrape.Query{Where: "page of metrics", Expression: "sum(" + metric + ")"})
	}
	missing, present, err := scrape.Evaluate(s.prometheusOn(s.machines(watch.Worker)[0]), configuration, all, []string{"max_over_time(up[1h]) == 0"})
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(strings.Join(missing, "\n")).To(BeEmpty())
	s.Expect(present).To(BeEmpty(), "each target has answered")
	s.metricsReturn(workload)
	s.Expect(workload.Delete(s.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: monitoring}})).To(Succeed())
}

// installMonitoring applies the chart's objects of ours, and waits for what runs on nodes.
func (s *suite) installMonitoring(workload client.Client, values map[string]any) {
	s.t.Helper()
	s.Expect(workload.Create(s.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: monitoring}})).To(Succeed())
	s.Expect(workload.Create(s.t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: monitoring, Name: fleetAccount}})).To(Succeed())
	manifests, err := scrape.Manifests(values)
	s.Expect(err).NotTo(HaveOccurred())
	for _, manifest := range manifests {
		s.Expect(workload.Create(s.t.Context(), &unstructured.Unstructured{Object: manifest})).To(Succeed())
	}
	for name, nodes := range map[string]int{"capom-metrics": s.cluster.ControlPlanes + s.cluster.Workers, "capom-metrics-etcd": s.cluster.ControlPlanes} {
		s.Eventually(func() (int, error) {
			pods := &appsv1.DaemonSet{}
			err := workload.Get(s.t.Context(), client.ObjectKey{Namespace: monitoring, Name: name}, pods)
			return int(pods.Status.NumberReady), err
		}, soon, interval).Should(Equal(nodes), name)
	}
}

// metricsReturn restarts tailscaled on a worker: its folder is another one then, and the pod that
// reads its metrics has to start again (docs/decisions/0042-metrics-of-nodes.md).
func (s *suite) metricsReturn(workload client.Client) {
	s.t.Helper()
	worker := s.machines(watch.Worker)[0]
	probes, far := s.probeBeside(s.node(worker).Name)
	pods := &corev1.PodList{}
	s.Expect(workload.List(s.t.Context(), pods, client.InNamespace(monitoring))).To(Succeed())
	i := slices.IndexFunc(pods.Items, func(p corev1.Pod) bool { return p.Spec.NodeName == s.node(worker).Name })
	s.Expect(i).To(BeNumerically(">=", 0), "nothing reads metrics on %s", worker.Name)
	metrics := func() (string, error) {
		return probes.Get(s.t.Context(), far, "http://"+pods.Items[i].Status.PodIP+":9080/metrics")
	}
	s.Eventually(metrics, soon, interval).Should(ContainSubstring("tailscaled_"))

	s.exec(worker, "systemctl restart tailscaled.service")

	s.Eventually(metrics, soon, interval).ShouldNot(ContainSubstring("tailscaled_"), "control: the pod sees the old folder")
	s.Eventually(metrics, soon, interval).Should(ContainSubstring("tailscaled_"))
}

// accountFiles are here what the fleet's Prometheus has in its pod, by their place there.
func (s *suite) accountFiles(workload client.Client) map[string]string {
	s.t.Helper()
	request := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: monitoring, Name: fleetAccount}}
	s.Expect(workload.SubResource("token").Create(s.t.Context(), account, request)).To(Succeed())
	config, err := s.cluster.Config(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	files := map[string]string{}
	for name, content := range map[string][]byte{"token": []byte(request.Status.Token), "ca.crt": config.CAData} {
		files[inPod+name] = filepath.Join(s.t.TempDir(), name)
		s.Expect(os.WriteFile(files[inPod+name], content, 0o600)).To(Succeed())
	}
	return files
}

// prometheusOn runs test/promql in the network of a machine, from where it reaches pods.
func (s *suite) prometheusOn(m watch.Machine) func(input []byte, args ...string) ([]byte, error) {
	s.t.Helper()
	namespace := network.Path(s.world.Wire(m.Instance).Namespace())
	return func(input []byte, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(s.t.Context(), "nsenter", append([]string{"--net=" + namespace, filepath.Join(programs.Root, "out", "test-lab", "programs", "promql")}, args...)...)
		cmd.Stdin = bytes.NewReader(input)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return out, err
	}
}
