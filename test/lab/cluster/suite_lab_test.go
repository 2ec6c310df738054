// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

// Package cluster_test makes clusters of booted machines and disturbs them.
package cluster_test

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/enter"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/machine"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// Time limits on two cores; nothing is measured by these.
const (
	clusterTimeout = 25 * time.Minute
	settleTimeout  = 15 * time.Minute
	soon           = 5 * time.Minute
	interval       = time.Second
)

// consoleLines are the last of a console, printed when a stage fails.
const consoleLines = 8

var programs world.Programs

func TestMain(m *testing.M) {
	// Where it is not set, the library prints a stack of goroutines after half a minute.
	ctrl.SetLogger(logr.Discard())
	var err error
	if programs, err = prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// inLab runs a test in a lab of its own, beside those of other tests: outside it runs this program
// again, for this test alone.
func inLab(t *testing.T, test func(*testing.T)) {
	t.Helper()
	if enter.Inside() {
		test(t)
		return
	}
	t.Parallel()
	alone := "^" + t.Name() + "$"
	// Stages may be chosen.
	if _, stages, chosen := strings.Cut(flag.Lookup("test.run").Value.String(), "/"); chosen {
		alone += "/" + stages
	}
	status, err := enter.Run(slices.Concat(os.Args[1:], []string{"-test.run=" + alone})...)
	if err != nil {
		t.Fatal(err)
	}
	if status != 0 {
		t.Fatalf("it fails in its lab, with status %d", status)
	}
}

// prepare builds missing parts outside, with Internet access; inside it only finds them again.
func prepare() (world.Programs, error) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		return world.Programs{}, err
	}
	if !enter.Inside() {
		if err := enter.Preflight(context.Background()); err != nil {
			return world.Programs{}, err
		}
	}
	return world.Prepare(context.Background(), root, filepath.Join(root, "out", "test-lab", "programs"), os.Stderr)
}

// twoAccounts removes the templates' third account from the cluster.
func twoAccounts(object *unstructured.Unstructured) error {
	if object.GetKind() != "OCIMeshCluster" {
		return nil
	}
	accounts, _, err := unstructured.NestedSlice(object.Object, "spec", "accounts")
	if err != nil {
		return err
	}
	return unstructured.SetNestedSlice(object.Object, accounts[:2], "spec", "accounts")
}

// suite is a world with one cluster.
type suite struct {
	*WithT
	t       *testing.T
	world   *world.World
	cluster *world.Cluster
}

// start makes a world and a cluster in it, without waiting for the cluster.
func start(t *testing.T, accounts []string, o world.ClusterOptions, change ...func(*world.Options)) *suite {
	t.Helper()
	s := &suite{WithT: NewWithT(t), t: t}
	var err error
	options := world.Options{
		Dir: filepath.Join(programs.Root, "out", "test-lab", o.Name), Programs: programs, Accounts: accounts, Management: true, Progress: os.Stderr,
	}
	for _, apply := range change {
		apply(&options)
	}
	s.world, err = world.Start(t.Context(), options)
	s.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		if err := s.world.Close(); err != nil {
			t.Errorf("the lab does not end: %v", err)
		}
	})
	s.cluster, err = s.world.CreateCluster(t.Context(), o)
	s.Expect(err).NotTo(HaveOccurred())
	return s
}

// in is the suite for a subtest.
func (s *suite) in(t *testing.T) *suite {
	sub := *s
	sub.WithT, sub.t = NewWithT(t), t
	return &sub
}

// stage is a subtest on the result of those before it.
type stage struct {
	name string
	run  func(*suite)
}

// walk runs stages in order and stops at a failure: the cluster is then not as the next stage
// expects.
func (s *suite) walk(stages []stage) {
	for _, st := range stages {
		begun := time.Now()
		if !s.t.Run(st.name, func(t *testing.T) { st.run(s.in(t)) }) {
			s.tell()
			s.t.Fatalf("logs, consoles and disks were in %s", s.world.Dir)
		}
		fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(begun).Seconds(), st.name)
	}
}

// tell prints the cluster as a failed stage left it: CI keeps only what is printed.
func (s *suite) tell() {
	snapshot, err := s.cluster.Snapshot(s.t.Context())
	if err != nil {
		fmt.Fprintf(os.Stderr, "the cluster cannot be looked at: %v\n", err)
		return
	}
	for _, row := range snapshot.Rows() {
		fmt.Fprintln(os.Stderr, row.Text)
	}
	for _, m := range snapshot.Machines {
		booted := s.world.Machine(m.Instance)
		if booted == nil {
			continue
		}
		console, err := os.ReadFile(booted.Console())
		if err != nil {
			fmt.Fprintf(os.Stderr, "the console of %s cannot be read: %v\n", m.Name, err)
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(console)), "\n")
		fmt.Fprintf(os.Stderr, "the console of %s ends:\n  %s\n", m.Name, strings.Join(lines[max(0, len(lines)-consoleLines):], "\n  "))
		// The agent for updates in place is not on the console.
		said, err := booted.Exec(s.t.Context(), "journalctl", "-u", "capom-update", "-n", strconv.Itoa(consoleLines), "--no-pager", "-q", "-o", "cat")
		if err == nil && said != "" {
			fmt.Fprintf(os.Stderr, "its agent says:\n%s", said)
		}
	}
}

// whole waits until the cluster is complete: all machines ready and Available, one node for each,
// and all pods reaching each other.
func (s *suite) whole() {
	s.t.Helper()
	s.Expect(s.cluster.WaitComplete(s.t.Context(), clusterTimeout, s.cluster.Version, nil)).To(Succeed())
	s.Eventually(func() error {
		_, err := s.cluster.CheckNodes(s.t.Context())
		return err
	}, soon, interval).Should(Succeed())
	s.Eventually(func() string { return s.cluster.MissingPods(s.t.Context()) }, settleTimeout, interval).Should(BeEmpty())
}

func (s *suite) snapshot() watch.Snapshot {
	s.t.Helper()
	var snapshot watch.Snapshot
	s.Eventually(func() (err error) {
		snapshot, err = s.cluster.Snapshot(s.t.Context())
		return err
	}, soon, interval).Should(Succeed())
	return snapshot
}

// machines are the cluster's Machines of a role.
func (s *suite) machines(role watch.Role) []watch.Machine {
	s.t.Helper()
	return slices.DeleteFunc(s.snapshot().Machines, func(m watch.Machine) bool { return m.Role != role })
}

func (s *suite) booted(m watch.Machine) *machine.Machine {
	s.t.Helper()
	booted := s.world.Machine(m.Instance)
	s.Expect(booted).NotTo(BeNil(), "%s has no machine", m.Name)
	return booted
}

// exec runs a shell command on a machine.
func (s *suite) exec(m watch.Machine, command string) string {
	s.t.Helper()
	out, err := s.booted(m).Exec(s.t.Context(), "sh", "-c", command)
	s.Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(out)
}

func (s *suite) vip() netip.Addr {
	s.t.Helper()
	vip, err := netip.ParseAddr(s.snapshot().Infra.Spec.ControlPlaneEndpoint.Host)
	s.Expect(err).NotTo(HaveOccurred())
	return vip
}

// holds tells whether a machine has the VIP.
func (s *suite) holds(m watch.Machine) bool {
	booted := s.world.Machine(m.Instance)
	if booted == nil || !booted.Running() {
		return false
	}
	out, err := booted.Exec(s.t.Context(), "ip", "-4", "-o", "address", "show", "dev", "lo")
	return err == nil && strings.Contains(out, " "+s.vip().String()+"/32 ")
}

// primary is the control plane receiving clients from the tailnet.
func (s *suite) primary() watch.Machine {
	s.t.Helper()
	var found watch.Machine
	s.Eventually(func(g Gomega) {
		device, err := s.world.Tailnet.PrimaryRouter(s.t.Context(), netip.PrefixFrom(s.vip(), 32))
		g.Expect(err).NotTo(HaveOccurred())
		controlPlanes := s.machines(watch.ControlPlane)
		i := slices.IndexFunc(controlPlanes, func(m watch.Machine) bool { return strings.HasPrefix(device.Hostname, m.Name) })
		g.Expect(i).To(BeNumerically(">=", 0), "%s is no machine of the cluster", device.Hostname)
		found = controlPlanes[i]
	}, soon, interval).Should(Succeed())
	return found
}

// node is the Node of a machine.
func (s *suite) node(m watch.Machine) corev1.Node {
	s.t.Helper()
	nodes := s.nodes()
	i := slices.IndexFunc(nodes, func(n corev1.Node) bool { return n.Spec.ProviderID == "oci://"+m.Instance })
	s.Expect(i).To(BeNumerically(">=", 0), "%s has no node", m.Name)
	return nodes[i]
}

// nodes are the cluster's Nodes.
func (s *suite) nodes() []corev1.Node {
	s.t.Helper()
	var nodes []corev1.Node
	s.Eventually(func() (err error) {
		nodes, err = s.cluster.Nodes(s.t.Context())
		return err
	}, soon, interval).Should(Succeed())
	return nodes
}

// seen is the time of the kubelet's last report.
func (s *suite) seen(ctx context.Context, node string) (time.Time, error) {
	workload, err := s.cluster.Client(ctx)
	if err != nil {
		return time.Time{}, err
	}
	lease := &coordinationv1.Lease{}
	err = workload.Get(ctx, client.ObjectKey{Namespace: corev1.NamespaceNodeLease, Name: node}, lease)
	if err != nil || lease.Spec.RenewTime == nil {
		return time.Time{}, err
	}
	return lease.Spec.RenewTime.Time, nil
}

// answers waits until the API server answers by the VIP.
func (s *suite) answers(o *world.Observer) {
	s.t.Helper()
	s.Eventually(func() bool { _, up := o.Seen(); return up }, soon, interval).Should(BeTrue(), "the API server does not answer by its VIP")
}

func (s *suite) observe() *world.Observer {
	s.t.Helper()
	o, err := s.cluster.Observe(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	s.t.Cleanup(func() { o.Stop() })
	s.answers(o)
	return o
}
