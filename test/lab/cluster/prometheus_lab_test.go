// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab && cilium

package cluster_test

import (
	"bytes"
	"context"
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

// prometheusFinds has a Prometheus on a worker scrape the jobs of the fleet's chart, and evaluates
// all that dashboards and alerts for clusters ask for.
func (s *suite) prometheusFinds() {
	workload := s.workload()
	configuration := s.scrapes(workload, s.t.TempDir())
	all, err := scrape.Queries(programs.Root, scrape.ClustersRules, scrape.ClustersDashboards...)
	s.Expect(err).NotTo(HaveOccurred())
	all = slices.DeleteFunc(all, notInLab)
	for _, metric := range []string{"hubble_flows_processed_total", "hubble_drop_total", "cilium_operator_process_start_time_seconds"} {
		all = append(all, scrape.Query{Where: "page of metrics", Expression: "sum(" + metric + ")"})
	}
	missing, present, err := scrape.Evaluate(s.prometheusOn(s.machines(watch.Worker)[0]), configuration, all, []string{"max_over_time(up[1h]) == 0"})
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(strings.Join(missing, "\n")).To(BeEmpty())
	s.Expect(present).To(BeEmpty(), "each target has answered")
	s.metricsReturn(workload)
}

// notInLab tells of a query that finds nothing here: there is no kube-state-metrics, and a member
// alone has no peers (test/observability asks two).
func notInLab(q scrape.Query) bool {
	return strings.Contains(q.Expression, "kube_") || strings.Contains(q.Expression, "etcd_network_peer_")
}

// fleetValues are the values of the fleet's chart for the cluster.
func (s *suite) fleetValues() map[string]any {
	s.t.Helper()
	endpoint := s.snapshot().Infra.Spec.ControlPlaneEndpoint
	values, err := scrape.FleetValues(programs.Root, map[string]string{"MONITORING_PROXY_IMAGE": kit.NginxImage},
		map[string]any{"host": endpoint.Host, "port": int64(endpoint.Port)})
	s.Expect(err).NotTo(HaveOccurred())
	return values
}

// scrapes is a prometheus.yml of the chart's jobs, with the account's files in a folder.
func (s *suite) scrapes(workload client.Client, folder string) map[string]any {
	s.t.Helper()
	discover := func(_ string, discovers map[string]any) ([]scrape.Target, error) {
		return s.discover(workload, discovers)
	}
	configuration, err := scrape.Configuration(s.fleetValues(), discover, nil, s.accountFiles(workload, folder))
	s.Expect(err).NotTo(HaveOccurred())
	return configuration
}

// installMonitoring applies the chart's objects of ours, and waits for what runs on nodes.
func (s *suite) installMonitoring(workload client.Client) {
	s.t.Helper()
	s.Expect(workload.Create(s.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: monitoring}})).To(Succeed())
	s.Expect(workload.Create(s.t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: monitoring, Name: fleetAccount}})).To(Succeed())
	manifests, err := scrape.Manifests(s.fleetValues())
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

// accountFiles are in a folder what the fleet's Prometheus has in its pod, by their place there.
func (s *suite) accountFiles(workload client.Client, folder string) map[string]string {
	s.t.Helper()
	request := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: monitoring, Name: fleetAccount}}
	s.Expect(workload.SubResource("token").Create(s.t.Context(), account, request)).To(Succeed())
	config, err := s.cluster.Config(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	files := map[string]string{}
	for name, content := range map[string][]byte{"token": []byte(request.Status.Token), "ca.crt": config.CAData} {
		files[inPod+name] = filepath.Join(folder, name)
		s.Expect(os.WriteFile(files[inPod+name], content, 0o600)).To(Succeed())
	}
	return files
}

// prometheusOn runs test/promql in the network of a machine.
func (s *suite) prometheusOn(m watch.Machine) func(input []byte, args ...string) ([]byte, error) {
	s.t.Helper()
	return func(input []byte, args ...string) ([]byte, error) {
		cmd := s.promqlOn(s.t.Context(), m, args...)
		cmd.Stdin = bytes.NewReader(input)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return out, err
	}
}

// promqlOn is test/promql in the network of a machine, from where it reaches pods.
func (s *suite) promqlOn(ctx context.Context, m watch.Machine, args ...string) *exec.Cmd {
	namespace := network.Path(s.world.Wire(m.Instance).Namespace())
	program := filepath.Join(programs.Root, "out", "test-lab", "programs", "promql")
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + namespace, program}, args...)...)
}
