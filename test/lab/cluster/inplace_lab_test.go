// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package cluster_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// longestOutage is what no client may see while control planes are updated in place.
const longestOutage = 15 * time.Second

// updates is what stages with updates in place hand on. A worker stops and another one hangs while
// control planes are updated: each of these is mostly waited for.
type updates struct {
	// all is the test of all stages.
	all      *testing.T
	before   kept
	observer *world.Observer
	// waiting is the control plane whose version is not to be had.
	waiting watch.Machine
	hung    hung
	// grown are when the workers' inits began, before they grow.
	grown map[string]string
}

// kept is what does not change where machines are updated in place.
type kept struct {
	// instances are OCIDs by Machine, addresses the nodes' on the tailnet.
	instances            map[string]string
	addresses            map[string]netip.Addr
	launched, terminated int
}

func (s *suite) machinesNow() kept {
	s.t.Helper()
	calls := s.world.OCI.CallCounts("")
	k := kept{instances: map[string]string{}, addresses: s.addresses(), launched: calls["LaunchInstance"], terminated: calls["TerminateInstance"]}
	for _, m := range s.snapshot().Machines {
		k.instances[m.Name] = m.Instance
	}
	return k
}

func (s *suite) expectKept(before kept) {
	s.t.Helper()
	s.whole()
	s.Expect(s.machinesNow()).To(Equal(before))
	for _, m := range s.snapshot().Machines {
		s.Expect(s.world.OCI.InstanceState(m.Instance)).To(Equal("RUNNING"), m.Name)
	}
}

// observeUpdates observes the API server over stages.
func (u *updates) observeUpdates(s *suite) {
	var err error
	u.observer, err = s.cluster.Observe(u.all.Context())
	s.Expect(err).NotTo(HaveOccurred())
	u.all.Cleanup(func() { u.observer.Stop() })
	s.answers(u.observer)
}

// versionMissing waits for the control plane that says that the mirror lacks its version.
func (u *updates) versionMissing(s *suite) {
	s.Eventually(func(g Gomega) {
		var said []string
		for _, m := range s.machines(watch.ControlPlane) {
			message := s.updatingMessage(m)
			said = append(said, m.Name+": "+message)
			if strings.Contains(message, "Kubernetes "+plain(kit.NextVersion)+" cannot be installed from ") {
				u.waiting = m
			}
		}
		g.Expect(u.waiting.Name).NotTo(BeEmpty(), "%v", said)
	}, settleTimeout, interval).Should(Succeed())
	s.Expect(conditions.GetReason(s.infra(u.waiting), infrav1.UpdatedCondition)).To(Equal(infrav1.NodeUpdateFailedReason))

	s.Expect(s.holds(u.waiting)).To(BeTrue(), "%s has left the VIP for nothing", u.waiting.Name)
	s.expectEtcdHealthy()
	for _, m := range s.machines(watch.ControlPlane) {
		n := s.node(m)
		s.Expect(isReady(n)).To(BeTrue(), n.Name)
		s.Expect(n.Status.NodeInfo.KubeletVersion).To(Equal(kit.OldVersion), n.Name)
	}
	s.Eventually(func() string { return s.cluster.MissingPods(s.t.Context()) }, soon, interval).Should(BeEmpty())
	s.expectPrograms(u.waiting, kit.OldVersion)
}

// letGo has people think better of the version. A KubeadmControlPlane waits for it until the
// machine has it, or is given back the one that it runs. A worker hangs from here on.
func (u *updates) letGo(s *suite) {
	u.hang(s, s.machines(watch.Worker)[1])
	s.world.Mirror.SetNewest(kit.NewVersion)
	s.Expect(user.UpgradeControlPlane(s.t.Context(), s.world.Client, s.snapshot().ControlPlane, kit.NewVersion)).To(Succeed())
	machine := &clusterv1.Machine{}
	s.Expect(s.world.Client.Get(s.t.Context(), client.ObjectKey{Namespace: s.cluster.Name, Name: u.waiting.Name}, machine)).To(Succeed())
	before := machine.DeepCopy()
	machine.Spec.Version = kit.OldVersion
	s.Expect(s.world.Client.Patch(s.t.Context(), machine, client.MergeFrom(before))).To(Succeed())

	s.awaitControlPlanes(kit.NewVersion, 1)
}

// changedInTheMiddle asks for the next minor version while the last control plane gets the patch.
// Cluster API takes the same machine again, or another one, as soon as that is done.
func (u *updates) changedInTheMiddle(s *suite) {
	s.world.Mirror.SetNewest(kit.NextVersion)
	s.awaitControlPlanes(kit.NewVersion, s.cluster.ControlPlanes-1)
	last := s.inTheMiddle(kit.NewVersion)

	s.Expect(user.UpgradeControlPlane(s.t.Context(), s.world.Client, s.snapshot().ControlPlane, kit.NextVersion)).To(Succeed())

	s.Eventually(func(g Gomega) {
		n := s.node(last)
		g.Expect(n.Status.NodeInfo.KubeletVersion).To(Equal(kit.NewVersion))
		g.Expect(isReady(n)).To(BeTrue())
	}, settleTimeout, interval).Should(Succeed(), "%s does not become %s", last.Name, kit.NewVersion)
	s.expectEtcdHealthy()
}

// powerCutInTheMiddle cuts the power of a control plane in the middle of its update. Workers grow
// meanwhile.
func (u *updates) powerCutInTheMiddle(s *suite) {
	u.grown = map[string]string{}
	for _, m := range s.machines(watch.Worker) {
		u.grown[m.Name] = s.startedAt(m)
	}
	s.growWorkers()
	cut := s.inTheMiddle(kit.NextVersion)

	s.Expect(s.booted(cut).Kill()).To(Succeed())
	s.Expect(s.booted(cut).Boot(s.t.Context())).To(Succeed())

	s.awaitUpdated(cut, kit.NextVersion)
	s.expectEtcdHealthy()
	s.expectPrograms(cut, kit.NextVersion)
}

// allUpdated has workers get the patch meanwhile, which all control planes have by now: an older
// API server may answer until the last one has a version, and kubelet must not be newer than that.
func (u *updates) allUpdated(s *suite) {
	workers := s.machines(watch.Worker)
	for _, m := range workers {
		s.expectGrown(m, u.grown[m.Name])
	}
	s.Expect(user.UpgradeWorkers(s.t.Context(), s.world.Client, s.snapshot().Deployment, kit.NewVersion)).To(Succeed())
	s.awaitControlPlanes(kit.NextVersion, s.cluster.ControlPlanes)
	s.cluster.Version = kit.NextVersion
	s.expectAnswered(u.observer)
	for _, m := range workers {
		s.awaitUpdated(m, kit.NewVersion)
		s.expectPrograms(m, kit.NewVersion)
	}
	s.expectKept(u.before)
	s.expectNothingDoubled()
}

// awaitControlPlanes waits until a number of control planes have a version, and looks at all
// members of etcd each time that one has it.
func (s *suite) awaitControlPlanes(version string, number int) {
	s.t.Helper()
	for done := 1; done <= number; done++ {
		var updated []watch.Machine
		s.Eventually(func(g Gomega) {
			updated = nil
			for _, m := range s.machines(watch.ControlPlane) {
				missing := s.notUpdated(m, version)
				if s.hurry(m, missing); missing == "" {
					updated = append(updated, m)
				}
			}
			g.Expect(len(updated)).To(BeNumerically(">=", done))
		}, settleTimeout, interval).Should(Succeed(), "%d control planes do not become %s", done, version)
		s.expectEtcdHealthy()
		for _, m := range updated {
			s.expectPrograms(m, version)
		}
	}
}

// inTheMiddle waits for a control plane whose API server kubeadm has exchanged, and whose scheduler
// not yet.
func (s *suite) inTheMiddle(version string) watch.Machine {
	s.t.Helper()
	var found watch.Machine
	s.Eventually(func(g Gomega) {
		for _, m := range s.machines(watch.ControlPlane) {
			s.hurry(m, s.notUpdated(m, version))
			changed, err := s.booted(m).Exec(s.t.Context(), "sh", "-c", "grep -l "+version+" /etc/kubernetes/manifests/*.yaml || true")
			g.Expect(err).NotTo(HaveOccurred())
			if strings.Contains(changed, "kube-apiserver.yaml") && !strings.Contains(changed, "kube-scheduler.yaml") {
				found = m
			}
		}
		g.Expect(found.Name).NotTo(BeEmpty())
	}, settleTimeout, 250*time.Millisecond).Should(Succeed(), "no control plane is in the middle of its update to %s", version)
	return found
}

func (s *suite) expectAnswered(o *world.Observer) {
	s.t.Helper()
	s.answers(o)
	seen := o.Stop()
	fmt.Fprintf(os.Stderr, "control planes were updated in place: %s\n", seen)
	s.Expect(seen.Longest).To(BeNumerically("<=", longestOutage))
}

// awaitUpdated waits until Cluster API is done with a machine, and its node runs the version.
func (s *suite) awaitUpdated(m watch.Machine, version string) {
	s.t.Helper()
	s.Eventually(func() string {
		missing := s.notUpdated(m, version)
		s.hurry(m, missing)
		return missing
	}, settleTimeout, interval).Should(BeEmpty(), "%s does not become %s", m.Name, version)
}

// hurried are the machines whose agents were hurried, with what they were asked for.
var hurried = map[string]bool{}

// hurry spares the half minute after which an agent looks again, and the minutes after which
// it tries again, once for each thing that a machine lacks.
func (s *suite) hurry(m watch.Machine, missing string) {
	s.t.Helper()
	if about := m.Name + missing; strings.Contains(missing, " to begin with ") && !hurried[about] {
		// A machine that is down begins when it boots.
		_, err := s.booted(m).Exec(s.t.Context(), "systemctl", "restart", "capom-update.service")
		hurried[about] = err == nil
	}
}

// notUpdated says what a machine lacks of an update; it is empty when nothing is missing.
func (s *suite) notUpdated(m watch.Machine, version string) string {
	s.t.Helper()
	machine := &clusterv1.Machine{}
	if err := s.world.Client.Get(s.t.Context(), client.ObjectKey{Namespace: s.cluster.Name, Name: m.Name}, machine); err != nil {
		return err.Error()
	}
	if _, updating := machine.Annotations[clusterv1.UpdateInProgressAnnotation]; updating || machine.Spec.Version != version {
		return "Machine of " + machine.Spec.Version + ": " + conditions.GetMessage(machine, clusterv1.MachineUpdatingCondition)
	}
	nodes, err := s.cluster.Nodes(s.t.Context())
	if err != nil {
		return err.Error()
	}
	for _, n := range nodes {
		if n.Name == machine.Status.NodeRef.Name && isReady(n) && n.Status.NodeInfo.KubeletVersion == version {
			return ""
		}
	}
	return "no ready Node of " + version
}

// expectPrograms asks a machine's packages, and on a control plane the programs of the static pods
// that run there, for their version.
func (s *suite) expectPrograms(m watch.Machine, version string) {
	s.t.Helper()
	s.Expect(s.exec(m, "kubelet --version")).To(Equal("Kubernetes "+version), m.Name)
	s.Expect(s.exec(m, "kubeadm version -o short")).To(Equal(version), m.Name)
	s.Expect(s.exec(m, "dpkg-query -W -f '${Version}\n' kubeadm kubectl kubelet | sort -u")).To(Equal(plain(version)+"-1.1"), m.Name)
	s.Expect(s.exec(m, "apt-mark showhold")).To(ContainSubstring("kubeadm\nkubectl\nkubelet"), m.Name)
	if m.Role != watch.ControlPlane {
		return
	}
	for _, program := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		s.Eventually(func() (string, error) {
			out, err := s.booted(m).Exec(s.t.Context(), "sh", "-c", "/proc/$(pidof "+program+")/root/usr/local/bin/"+program+" --version")
			return strings.TrimSpace(out), err
		}, soon, interval).Should(Equal("Kubernetes "+version), "%s of %s", program, m.Name)
	}
}

// expectEtcdHealthy asks each member, which asks the others: etcd's /health reads by consensus.
func (s *suite) expectEtcdHealthy() {
	s.t.Helper()
	for _, m := range s.machines(watch.ControlPlane) {
		s.Eventually(func() (string, error) {
			return s.booted(m).Exec(s.t.Context(), "curl", "-fsS", "--max-time", "5", "http://127.0.0.1:2381/health")
		}, soon, interval).Should(ContainSubstring(`"health":"true"`), "etcd of %s", m.Name)
	}
}

// updatingMessage is what a Machine's condition says of its update.
func (s *suite) updatingMessage(m watch.Machine) string {
	machine := &clusterv1.Machine{}
	if err := s.world.Client.Get(s.t.Context(), client.ObjectKey{Namespace: s.cluster.Name, Name: m.Name}, machine); err != nil {
		return err.Error()
	}
	return conditions.GetMessage(machine, clusterv1.MachineUpdatingCondition)
}

// infra is a machine's OCIMeshMachine.
func (s *suite) infra(m watch.Machine) *infrav1.OCIMeshMachine {
	s.t.Helper()
	own := &infrav1.OCIMeshMachine{}
	s.Expect(s.world.Client.Get(s.t.Context(), client.ObjectKey{Namespace: s.cluster.Name, Name: m.Name}, own)).To(Succeed())
	return own
}

func isReady(n corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// plain is a version without its v.
func plain(version string) string { return strings.TrimPrefix(version, "v") }
