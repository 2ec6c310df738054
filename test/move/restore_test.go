// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package move

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

func TestAClusterIsRestoredFromABackupThatIsOlderThanItsMachines(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, 1, tailnetsim.Headscale, "127.103.0.0/16")
	both := w.startManagement(t, "lost", "new")
	lost, fresh := both[0], both[1]
	outside := w.objects()
	lost.create(t, outside)
	// Without health checks, it takes an operator to replace a machine.
	objects := slices.DeleteFunc(w.generate(t, lost, "single-account", 2), func(o client.Object) bool {
		return o.GetObjectKind().GroupVersionKind().Kind == "MachineHealthCheck"
	})
	lost.create(t, objects)
	s := lost.await(t, complete(2))
	w.polled(t)
	backup := filepath.Join(w.dir, "backup")
	g.Expect(os.Mkdir(backup, 0o700)).To(Succeed())
	w.clusterctlMove(t, "--kubeconfig", lost.Kubeconfig, "--to-directory", backup)
	lost.await(t, complete(2))
	old := lost.holdings(t)
	g.Expect(len(w.instances(t))).To(Equal(3))

	// After the backup one worker is replaced and one is added; then the management cluster is lost.
	replaced, err := s.AWorker()
	g.Expect(err).NotTo(HaveOccurred())
	lost.delete(t, machine(replaced.Name))
	lost.scale(t, lost.await(t, complete(2)).Deployment, 3)
	s = lost.await(t, complete(3))
	strays := unknown(s, old)
	g.Expect(strays).To(HaveLen(2))
	g.Expect(lost.Stop()).To(Succeed())
	instances, devices := w.instances(t), w.devices()
	w.changes()

	w.clusterctlMove(t, "--from-directory", backup, "--to-kubeconfig", fresh.Kubeconfig)
	dead := &infrav1.OCIMeshMachine{}
	g.Eventually(func() string {
		have := fresh.holdings(t)
		g.Expect(fresh.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: replaced.Name}, dead)).To(Succeed())
		for _, name := range []string{"OCIMeshMachine " + replaced.Name, "Machine " + replaced.Name} {
			delete(have, name)
			delete(old, name)
		}
		return difference(old, have)
	}, timeout, interval).Should(BeEmpty())
	w.polled(t)
	g.Expect(w.changes()).To(BeEmpty(), "calls that change something")
	g.Expect(w.instances(t)).To(Equal(instances))
	g.Expect(w.devices()).To(Equal(devices))
	fmt.Println(dead.Status)
	g.Expect(conditions.GetReason(dead, infrav1.InstanceReadyCondition)).To(Equal(infrav1.InstanceTerminatedReason))

	// The operator has the machine replaced of which nothing is left.
	fresh.delete(t, machine(replaced.Name))
	fresh.await(t, complete(2))
	fmt.Println(w.changes())
	g.Expect(w.instances(t)).To(HaveLen(len(instances) + 1))
	g.Expect(w.instances(t)).To(ContainElements(instances))

	// A deletion ends what the backup knew and what was made since, and waits for the operator to
	// decide about the rest.
	cluster := s.Cluster
	g.Expect(fresh.client.Delete(t.Context(), cluster)).To(Succeed())
	fresh.await(t, func(s watch.Snapshot) string {
		if s.Infra == nil || len(s.Machines) > 0 {
			return fmt.Sprintf("%d Machines to be gone, and the OCIMeshCluster to stay", len(s.Machines))
		}
		if reason := conditions.GetReason(s.Infra, infrav1.DeletingCondition); reason != infrav1.NetworkInUseReason {
			return "the network to be in use: " + reason
		}
		return ""
	})
	w.polled(t)
	g.Expect(w.instances(t)).To(ConsistOf(strays))
	left := w.devices()
	g.Expect(left).To(HaveLen(2))
	for _, stray := range strays {
		g.Expect(w.OCI.TerminateInstance(stray)).To(Succeed())
	}
	fresh.await(t, func(s watch.Snapshot) string {
		if s.Empty() {
			return ""
		}
		return "all of the cluster to be gone"
	})
	fresh.delete(t, append(objects, outside...)...)
	g.Expect(w.Leftovers()).To(HaveLen(2))
}

// complete returns what is missing until the cluster is up with so many workers.
func complete(workers int) func(watch.Snapshot) string {
	return func(s watch.Snapshot) string { return s.Complete(1, workers, version) }
}

func machine(name string) *clusterv1.Machine {
	m := &clusterv1.Machine{}
	m.Namespace, m.Name = namespace, name
	return m
}

// unknown are the instances of machines that were not there before.
func unknown(s watch.Snapshot, before map[string]string) []string {
	var ids []string
	for _, m := range s.Machines {
		if _, known := before["Machine "+m.Name]; !known {
			ids = append(ids, m.Instance)
		}
	}
	return ids
}
