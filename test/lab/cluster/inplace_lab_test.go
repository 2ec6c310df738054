// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package cluster_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// longestOutage is far beyond what a client sees while control planes are updated, 15 seconds, on a
// machine that does nothing else: it is for an API server that is away for the whole update of a
// node.
const longestOutage = time.Minute

// The worker stops and hangs while the last control plane is updated: each of the two is mostly
// waited for.
func TestMachinesAreKeptWhereNoAccountHasRoomForAnother(t *testing.T) {
	all := start(t, []string{"alpha", "bravo", "charlie"}, world.ClusterOptions{
		Name: "kept", Flavor: "always-free", Version: kit.NewVersion, ControlPlanes: 3, Workers: 1, Installed: true,
		Variables: []string{"OCIMESH_WORKER_MEMORY_GB=8"}, Change: keepable,
	}, func(o *world.Options) { o.InPlaceUpdates = true })
	all.world.Mirror.SetNewest(kit.NewVersion)
	var before kept
	var stuck watch.Machine
	var o *world.Observer
	all.walk([]stage{
		{"machines with packages and the agent become nodes, and no account has room", func(s *suite) {
			s.comesUpFull()
			before = s.machinesNow()
		}},
		{"a worker gets a later patch version", (*suite).workerPatched},
		{"a version that the mirror does not have is told, and changes nothing", func(s *suite) {
			var err error
			// It outlives the stage.
			o, err = s.cluster.Observe(t.Context())
			s.Expect(err).NotTo(HaveOccurred())
			t.Cleanup(func() { o.Stop() })
			stuck = s.versionMissing()
		}},
		{"control planes begin once it is there, and one whose power is cut in the middle goes on", func(s *suite) {
			s.versionComes(stuck)
			s.powerCutInTheMiddle(stuck)
		}},
		{"a worker that is stopped outside is started again", (*suite).stoppedIsStarted},
		{"a worker that hangs is reset, softly and then hard", (*suite).hungIsReset},
		{"all control planes have the next minor version, and the API answered", func(s *suite) {
			s.controlPlanesUpdated()
			all.version, s.version = kit.NextVersion, kit.NextVersion
			s.expectAnswered(o)
			s.expectKept(before)
		}},
		{"a worker grows by a restart, and all machines are still those of the beginning", func(s *suite) {
			s.workerGrows()
			s.expectKept(before)
		}},
		{"deleted, it leaves nothing", (*suite).leavesNothing},
	})
}

// keepable has workers begin with the version that control planes had before, and leaves room for
// the agent in control planes' user data, which the lab's own files would take.
func keepable(object *unstructured.Unstructured) error {
	switch object.GetKind() {
	case "MachineDeployment":
		return unstructured.SetNestedField(object.Object, kit.OldVersion, "spec", "template", "spec", "version")
	case "KubeadmControlPlane":
		return unstructured.SetNestedField(object.Object, "ECDSA-P256", "spec", "kubeadmConfigSpec", "clusterConfiguration", "encryptionAlgorithm")
	}
	return nil
}

// kept is what does not change where machines are updated in place.
type kept struct {
	// instances are OCIDs by Machine, addresses the nodes' on the tailnet.
	instances map[string]string
	addresses map[string]netip.Addr
	launched  int
}

func (s *suite) machinesNow() kept {
	s.t.Helper()
	k := kept{instances: map[string]string{}, addresses: s.addresses(), launched: s.world.OCI.CallCounts("")["LaunchInstance"]}
	for _, m := range s.snapshot().Machines {
		k.instances[m.Name] = m.Instance
	}
	return k
}

func (s *suite) expectKept(before kept) {
	s.t.Helper()
	s.whole()
	s.Expect(s.machinesNow()).To(Equal(before))
	s.Expect(s.world.OCI.CallCounts("")).NotTo(HaveKey("TerminateInstance"))
	for _, m := range s.snapshot().Machines {
		s.Expect(s.world.OCI.InstanceState(m.Instance)).To(Equal("RUNNING"), m.Name)
	}
}

func (s *suite) comesUpFull() {
	s.whole()
	s.Expect(s.snapshot().AccountsOf(watch.ControlPlane)).To(Equal(map[string]int{"alpha": 1, "bravo": 1, "charlie": 1}))
	for _, m := range s.snapshot().Machines {
		s.Expect(s.infra(m).Annotations).To(HaveKey(infrav1.NodeAgentAnnotation), "%s had no room for the agent", m.Name)
	}
	s.Expect(s.world.Fill()).To(Succeed())
	s.expectEtcdHealthy()
}

func (s *suite) workerPatched() {
	s.Expect(user.UpgradeWorkers(s.t.Context(), s.world.Client, s.snapshot().Deployment, kit.NewVersion)).To(Succeed())
	worker := s.machines(watch.Worker)[0]
	s.awaitUpdated(worker, kit.NewVersion)
	s.expectPrograms(worker, kit.NewVersion)
}

// versionMissing asks for a version that the mirror lacks, and returns the control plane that says
// so.
func (s *suite) versionMissing() watch.Machine {
	s.Expect(user.UpgradeControlPlane(s.t.Context(), s.world.Client, s.snapshot().ControlPlane, kit.NextVersion)).To(Succeed())
	var stuck watch.Machine
	s.Eventually(func(g Gomega) {
		var said []string
		for _, m := range s.machines(watch.ControlPlane) {
			message := s.updatingMessage(m)
			said = append(said, m.Name+": "+message)
			if strings.Contains(message, "Kubernetes "+plain(kit.NextVersion)+" cannot be installed from ") {
				stuck = m
			}
		}
		g.Expect(stuck.Name).NotTo(BeEmpty(), "%v", said)
	}, settleTimeout, interval).Should(Succeed())
	s.Expect(conditions.GetReason(s.infra(stuck), infrav1.UpdatedCondition)).To(Equal(infrav1.NodeUpdateFailedReason))

	s.Expect(s.holds(stuck)).To(BeTrue(), "%s has left the VIP for nothing", stuck.Name)
	s.expectEtcdHealthy()
	for _, m := range s.machines(watch.ControlPlane) {
		n := s.node(m)
		s.Expect(isReady(n)).To(BeTrue(), n.Name)
		s.Expect(n.Status.NodeInfo.KubeletVersion).To(Equal(kit.NewVersion), n.Name)
	}
	s.Eventually(func() string { return s.cluster.MissingPods(s.t.Context()) }, soon, interval).Should(BeEmpty())
	s.expectPrograms(stuck, kit.NewVersion)
	return stuck
}

func (s *suite) versionComes(stuck watch.Machine) {
	s.world.Mirror.SetNewest(kit.NextVersion)
	// It would try again within five minutes.
	s.exec(stuck, "systemctl restart capom-update.service")
	s.awaitUpdated(stuck, kit.NextVersion)
	s.expectEtcdHealthy()
	s.expectPrograms(stuck, kit.NextVersion)
}

// powerCutInTheMiddle cuts the power of the next control plane once kubeadm has exchanged the first
// of its static pods and not the last.
func (s *suite) powerCutInTheMiddle(first watch.Machine) {
	var cut watch.Machine
	s.Eventually(func(g Gomega) {
		for _, m := range s.machines(watch.ControlPlane) {
			changed, err := s.booted(m).Exec(s.t.Context(), "sh", "-c", "grep -l "+kit.NextVersion+" /etc/kubernetes/manifests/*.yaml || true")
			g.Expect(err).NotTo(HaveOccurred())
			if m.Name != first.Name && strings.Contains(changed, "kube-apiserver.yaml") && !strings.Contains(changed, "kube-scheduler.yaml") {
				cut = m
			}
		}
		g.Expect(cut.Name).NotTo(BeEmpty())
	}, settleTimeout, 250*time.Millisecond).Should(Succeed())
	s.Expect(s.booted(cut).Kill()).To(Succeed())
	s.Expect(s.booted(cut).Boot(s.t.Context())).To(Succeed())

	s.awaitUpdated(cut, kit.NextVersion)
	s.expectEtcdHealthy()
	s.expectPrograms(cut, kit.NextVersion)
}

func (s *suite) controlPlanesUpdated() {
	s.Expect(s.cluster.WaitComplete(s.t.Context(), clusterTimeout, kit.NextVersion, nil)).To(Succeed())
	for _, m := range s.machines(watch.ControlPlane) {
		s.awaitUpdated(m, kit.NextVersion)
		s.expectPrograms(m, kit.NextVersion)
	}
	s.expectEtcdHealthy()
}

func (s *suite) expectAnswered(o *world.Observer) {
	s.t.Helper()
	s.answers(o)
	seen := o.Stop()
	fmt.Fprintf(os.Stderr, "control planes were updated in place: %s\n", seen)
	s.Expect(seen.Longest).To(BeNumerically("<", longestOutage))
}

// awaitUpdated waits until Cluster API is done with a machine, and its node runs the version.
func (s *suite) awaitUpdated(m watch.Machine, version string) {
	s.t.Helper()
	s.Eventually(func(g Gomega) {
		machine := &clusterv1.Machine{}
		g.Expect(s.world.Client.Get(s.t.Context(), client.ObjectKey{Namespace: s.cluster.Name, Name: m.Name}, machine)).To(Succeed())
		g.Expect(machine.Spec.Version).To(Equal(version))
		g.Expect(machine.Annotations).NotTo(HaveKey(clusterv1.UpdateInProgressAnnotation), conditions.GetMessage(machine, clusterv1.MachineUpdatingCondition))
		nodes, err := s.cluster.Nodes(s.t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		i := slices.IndexFunc(nodes, func(n corev1.Node) bool { return n.Name == machine.Status.NodeRef.Name })
		g.Expect(i).To(BeNumerically(">=", 0), "it has no Node")
		g.Expect(nodes[i].Status.NodeInfo.KubeletVersion).To(Equal(version))
		g.Expect(isReady(nodes[i])).To(BeTrue())
	}, settleTimeout, interval).Should(Succeed(), "%s does not become %s", m.Name, version)
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
