// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package cluster_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

func TestAClusterOverThreeAccounts(t *testing.T) { inLab(t, clusterOverThreeAccounts) }

func clusterOverThreeAccounts(t *testing.T) {
	s := start(t, []string{"alpha", "bravo", "charlie"}, world.ClusterOptions{
		Name: "mesh", Flavor: "always-free", Version: kit.OldVersion, ControlPlanes: 3, Workers: 2, Installed: true,
		Variables: []string{"OCIMESH_WORKER_MEMORY_GB=8"}, Change: world.ForUpdatesInPlace,
	}, func(o *world.Options) { o.InPlaceUpdates = true })
	u := &updates{all: t}
	s.walk([]stage{
		{"machines become nodes on the tailnet, and pods reach each other", (*suite).comesUp},
		{"kubeadm ran after the machine was on the tailnet, and keys are gone", (*suite).joinedFirst},
		{"control planes hold the VIP only while their API server is ready", (*suite).vipFollowsReadiness},
		{"pods get nothing from the instance's metadata service", (*suite).podsKeptFromMetadata},
		{"a Service answers nodes and the tailnet, not the VCN", (*suite).servicesAnswer},
		{"every way to a pod works, and keeps the source that it is to keep", (*suite).everyWayToAPod},
		{"a NetworkPolicy denies, and allows", (*suite).policyDeniesAndAllows},
		{"the VIP moves when its holder is cut off, and nothing is doubled when that returns", (*suite).vipFailsOver},
		{"a worker, a control plane and all machines at once reboot", (*suite).reboots},
		{"an account is cut off, its worker is replaced, and it returns", (*suite).accountCutOff},
		{"no account has room, and a worker that is stopped outside is started again", u.stoppedIsStarted},
		{"a version that the mirror does not have is told, and changes nothing", u.versionMissing},
		{"a control plane that waits for it is let go, and gets a patch in place", u.letGo},
		{"a worker that hangs is reset, softly and then hard", u.hungIsReset},
		{"all control planes get the patch, and the next minor version is asked for in the middle", u.changedInTheMiddle},
		{"the power of a control plane is cut in the middle of its update, and it goes on", u.powerCutInTheMiddle},
		{"all control planes get it, workers more memory and then the patch, and the API answered", u.allUpdated},
		{"deleted, it leaves nothing", (*suite).leavesNothing},
	})
}

func (s *suite) comesUp() {
	s.whole()
	s.expectCilium()
	s.expectPodsWaited()
	accounts := s.snapshot().AccountsOf(watch.ControlPlane)
	s.Expect(accounts).To(Equal(map[string]int{"alpha": 1, "bravo": 1, "charlie": 1}))
	for _, m := range s.snapshot().Machines {
		s.Expect(s.infra(m).Annotations).To(HaveKey(infrav1.NodeAgentAnnotation), "%s had no room for the agent", m.Name)
	}
}

// joinedFirst reads the machines' records of their first boot.
func (s *suite) joinedFirst() {
	for _, m := range s.snapshot().Machines {
		log := s.exec(m, "cat /var/log/cloud-init-output.log")
		joined, ran := strings.Index(log, "the machine is on the tailnet as"), strings.Index(log, "[preflight] Running pre-flight checks")
		s.Expect(joined).To(BeNumerically(">=", 0), m.Name)
		s.Expect(ran).To(BeNumerically(">", joined), m.Name)
		s.Expect(s.exec(m, "ls -A /run/capom/join")).To(BeEmpty(), m.Name)
	}
	rest, err := s.world.Tailnet.Leftovers(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(rest.Keys).To(BeEmpty())
}

func (s *suite) vipFollowsReadiness() {
	controlPlanes := s.machines(watch.ControlPlane)
	for _, m := range controlPlanes {
		s.Eventually(func() bool { return s.holds(m) }, soon, interval).Should(BeTrue(), "%s is ready and does not hold the VIP", m.Name)
		s.expectHeldAfterStart(m)
	}
	for _, m := range s.machines(watch.Worker) {
		s.Expect(s.holds(m)).To(BeFalse(), m.Name)
	}
	o := s.observe()
	hung := s.primary()
	pid := s.exec(hung, "pidof kube-apiserver")

	s.exec(hung, "kill -STOP "+pid)

	s.Eventually(func() bool { return s.holds(hung) }, soon, interval).Should(BeFalse(), "%s holds the VIP with an API server that hangs", hung.Name)
	s.answers(o)
	s.Expect(s.primary().Name).NotTo(Equal(hung.Name))
	// kubelet may have replaced it by now.
	s.exec(hung, "kill -CONT "+pid+" || true")
	s.Eventually(func() bool { return s.holds(hung) }, soon, interval).Should(BeTrue(), "%s is ready again and does not hold the VIP", hung.Name)
	fmt.Fprintf(os.Stderr, "an API server hung: %s\n", o.Stop())
}

// expectHeldAfterStart compares the time the machine took the VIP with the start of its API server:
// a joining machine must not be its own endpoint. The first control plane holds it before kubeadm
// init.
func (s *suite) expectHeldAfterStart(m watch.Machine) {
	if s.exec(m, "test -e /run/kubeadm/kubeadm.yaml && echo first || true") == "first" {
		return
	}
	var line []string
	// The agent logs this after it has told the tailnet, and it tells the tailnet after taking the
	// address.
	s.Eventually(func() []string {
		line = strings.Fields(s.exec(m, "journalctl -u capom-routes -o short-unix --no-pager | grep ': capom: holding' | head -n 1"))
		return line
	}, soon, interval).ShouldNot(BeEmpty(), "%s does not say that it holds the VIP", m.Name)
	held, err := strconv.ParseFloat(line[0], 64)
	s.Expect(err).NotTo(HaveOccurred())
	workload, err := s.cluster.Client(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	pod := &corev1.Pod{}
	s.Expect(workload.Get(s.t.Context(), client.ObjectKey{Namespace: "kube-system", Name: "kube-apiserver-" + s.node(m).Name}, pod)).To(Succeed())
	s.Expect(pod.Status.ContainerStatuses).NotTo(BeEmpty())
	if running := pod.Status.ContainerStatuses[0].State.Running; pod.Status.ContainerStatuses[0].RestartCount == 0 && running != nil {
		s.Expect(held).To(BeNumerically(">=", float64(running.StartedAt.Unix())), "%s held the VIP before its API server ran", m.Name)
	}
}

func (s *suite) podsKeptFromMetadata() {
	// An API server was stopped just now.
	s.whole()
	probes, err := s.cluster.Probes(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	var asked errgroup.Group
	for _, pod := range probes.Pods {
		asked.Go(func() error {
			reached, err := probes.CanReach(s.t.Context(), pod, &url.URL{Scheme: "http", Host: "169.254.169.254", Path: "/opc/v2/instance/"})
			if reached {
				err = fmt.Errorf("the pod on %s reaches the metadata service", pod.Spec.NodeName)
			}
			return err
		})
	}
	s.Expect(asked.Wait()).To(Succeed())
	for _, m := range s.snapshot().Machines {
		s.Expect(s.exec(m, "systemd-run --quiet --pipe --wait curl -fsS --max-time 5 -H 'Authorization: Bearer Oracle' http://169.254.169.254/opc/v2/instance/id")).To(Equal(m.Instance))
	}
}

func (s *suite) vipFailsOver() {
	o := s.observe()
	cut := s.primary()
	s.Expect(s.world.Wire(cut.Instance).SetLink(s.t.Context(), false)).To(Succeed())

	s.Eventually(func() string { return s.primary().Name }, soon, interval).ShouldNot(Equal(cut.Name))
	s.answers(o)
	s.Expect(s.world.Wire(cut.Instance).SetLink(s.t.Context(), true)).To(Succeed())
	s.Eventually(func() (bool, error) {
		device, err := s.world.Tailnet.Devices(s.t.Context())
		for _, d := range device {
			if strings.HasPrefix(d.Hostname, cut.Name) {
				return d.Online, err
			}
		}
		return false, err
	}, soon, interval).Should(BeTrue(), "%s does not come back", cut.Name)
	fmt.Fprintf(os.Stderr, "the VIP's holder was cut off: %s\n", o.Stop())
	s.whole()
}

func (s *suite) reboots() {
	addresses := s.addresses()
	var nodes []string
	var rebooting errgroup.Group
	for _, m := range []watch.Machine{s.machines(watch.Worker)[0], s.machines(watch.ControlPlane)[0]} {
		nodes = append(nodes, s.node(m).Name)
		booted := s.booted(m)
		rebooting.Go(func() error { return booted.Reboot(s.t.Context()) })
	}
	s.Expect(rebooting.Wait()).To(Succeed())
	down := time.Now()
	for _, node := range nodes {
		s.heardOf(node, down)
	}
	s.whole()
	nodes = nil
	for _, m := range s.snapshot().Machines {
		nodes = append(nodes, s.node(m).Name)
	}
	for _, m := range s.snapshot().Machines {
		s.Expect(s.booted(m).Kill()).To(Succeed())
	}
	down = time.Now()
	for _, m := range s.snapshot().Machines {
		s.Expect(s.booted(m).Boot(s.t.Context())).To(Succeed())
	}
	for _, node := range nodes {
		s.heardOf(node, down)
	}
	s.whole()
	s.Expect(s.addresses()).To(Equal(addresses))
}

// heardOf waits until a node's kubelet has reported since a moment, by this machine's clock: all
// machines share it.
func (s *suite) heardOf(node string, since time.Time) {
	s.t.Helper()
	s.Eventually(func(g Gomega) {
		seen, err := s.seen(s.t.Context(), node)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(seen).To(BeTemporally(">", since))
	}, settleTimeout, interval).Should(Succeed(), "%s is not back", node)
}

// addresses are the nodes' tailnet addresses by name.
func (s *suite) addresses() map[string]netip.Addr {
	s.t.Helper()
	addresses := map[string]netip.Addr{}
	for _, n := range s.nodes() {
		addresses[n.Name] = world.InternalIP(n)
	}
	return addresses
}

// accountCutOff takes an account with a worker and a control plane off the
// Internet. Its machines are unhealthy and remediated by policy, though OCI's API
// still reaches the account.
func (s *suite) accountCutOff() {
	o := s.observe()
	worker := s.machines(watch.Worker)[0]
	account := s.world.Account(worker.Account)
	s.Expect(s.cluster.SetUnhealthyTimeout(s.t.Context(), 30*time.Second)).To(Succeed())
	// Resets do not bring a network back, and each would have its ten minutes.
	s.Expect(s.cluster.SetRepairs(s.t.Context(), infrav1.RemediationStep{Action: infrav1.RemediationStart, Tries: 1, TimeoutSeconds: 30})).To(Succeed())
	s.Expect(account.SetUplink(s.t.Context(), false)).To(Succeed())

	s.Eventually(func() bool { return s.snapshot().Has(worker.Name) }, settleTimeout, interval).Should(BeFalse(), "%s is not replaced", worker.Name)
	s.Expect(s.cluster.SetUnhealthyTimeout(s.t.Context(), world.UnhealthyTimeout)).To(Succeed())
	s.answers(o)
	s.Expect(account.SetUplink(s.t.Context(), true)).To(Succeed())
	fmt.Fprintf(os.Stderr, "an account was cut off: %s\n", o.Stop())
	s.whole()
	s.expectNothingDoubled()
}

// expectNothingDoubled compares the clouds' resources with the cluster's objects.
func (s *suite) expectNothingDoubled() {
	s.t.Helper()
	all := s.cluster.ControlPlanes + s.cluster.Workers
	s.Eventually(func(g Gomega) {
		g.Expect(s.world.Running()).To(HaveLen(all))
		devices, err := s.world.Tailnet.Devices(s.t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(devices).To(HaveLen(all+2), "one for each machine, the management host's and the routers'")
	}, settleTimeout, interval).Should(Succeed())
}

func (s *suite) leavesNothing() {
	s.Expect(s.cluster.Delete(s.t.Context())).To(Succeed())
	s.Expect(s.cluster.WaitGone(s.t.Context(), settleTimeout, nil)).To(Succeed())
	s.Eventually(s.world.NothingLeft, soon, interval).Should(Succeed())
}
