// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package move

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

func TestAClusterIsRestoredFromABackupThatIsOlderThanItsMachines(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, 1, tailnetsim.Headscale, "127.103.0.0/16")
	both := w.startManagement(t, "lost", "fresh")
	lost, fresh := both[0], both[1]
	outside := w.objects()
	lost.create(t, outside)
	// Only the operator replaces a machine.
	objects := slices.DeleteFunc(w.generate(t, lost, "single-account", 2), func(o client.Object) bool {
		return o.GetObjectKind().GroupVersionKind().Kind == "MachineHealthCheck"
	})
	lost.create(t, objects)
	replaced, err := lost.await(t, complete(2)).AWorker()
	g.Expect(err).NotTo(HaveOccurred())
	w.polled(t)
	old := lost.holdings(t)
	backup := filepath.Join(w.dir, "backup")
	g.Expect(os.Mkdir(backup, 0o700)).To(Succeed())
	w.clusterctlMove(t, "--kubeconfig", lost.Kubeconfig, "--to-directory", backup)
	strays := w.changeAndLose(t, lost, replaced.Name)
	instances, devices := w.instances(t), w.devices()
	g.Expect(instances).To(HaveLen(4))
	w.changes()

	w.clusterctlMove(t, "--from-directory", backup, "--to-kubeconfig", fresh.Kubeconfig)

	// Everything still existing is unchanged; the account has more instances than the backup.
	others := []string{"Machine " + replaced.Name, "OCIMeshMachine " + replaced.Name, "OCIAccount " + w.accounts[0]}
	same := func() string { return difference(without(old, others), without(fresh.holdings(t), others)) }
	g.Eventually(same, timeout, interval).Should(BeEmpty())
	w.polled(t)
	g.Expect(same()).To(BeEmpty())
	g.Expect(w.changes()).To(BeEmpty(), "calls that change something")
	g.Expect(w.instances(t)).To(Equal(instances))
	g.Expect(w.devices()).To(Equal(devices))
	dead := &infrav1.OCIMeshMachine{}
	g.Expect(fresh.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: replaced.Name}, dead)).To(Succeed())
	helpers.ExpectConditions(t, dead, "Ready False InstanceNotOwned", "InstanceReady False InstanceNotOwned",
		"Placed False Waiting", "TailnetReady False Waiting", "Paused False NotPaused", "Deleting False NotDeleting")

	// The operator replaces missing machines.
	fresh.delete(t, machine(replaced.Name))
	cluster := fresh.await(t, complete(2)).Cluster
	g.Expect(w.changes()).To(Equal([]string{"LaunchInstance"}))
	g.Expect(w.instances(t)).To(ContainElements(instances))

	w.deleteBesideStrays(t, fresh, cluster, strays)
	fresh.delete(t, append(objects, outside...)...)
	var left []any
	for name := range strays {
		left = append(left, HavePrefix("tailnet: device \"%s-", name))
	}
	g.Expect(w.Leftovers()).To(ConsistOf(left...))
}

// changeAndLose replaces a worker and adds one, and then the management cluster is lost. It returns
// the instances of both new machines by the machines' names.
func (w *world) changeAndLose(t *testing.T, m *management, worker string) (strays map[string]string) {
	t.Helper()
	g := NewWithT(t)
	before := m.await(t, complete(2))
	m.delete(t, machine(worker))
	m.scale(t, m.await(t, complete(2)).Deployment, 3)
	strays = map[string]string{}
	for _, machine := range m.await(t, complete(3)).Machines {
		if !before.Has(machine.Name) {
			strays[machine.Name] = machine.Instance
		}
	}
	g.Expect(strays).To(HaveLen(2))
	g.Expect(m.Stop()).To(Succeed())
	return strays
}

// deleteBesideStrays deletes a cluster with stray instances in its network. The deletion leaves
// them and their devices alone, and waits for their termination by a user.
func (w *world) deleteBesideStrays(t *testing.T, m *management, cluster *clusterv1.Cluster, strays map[string]string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(m.client.Delete(t.Context(), cluster)).To(Succeed())
	m.await(t, func(s watch.Snapshot) string {
		switch {
		case len(s.Machines) > 0:
			return fmt.Sprintf("%d Machines to be gone", len(s.Machines))
		case s.Infra == nil:
			return "the OCIMeshCluster to wait"
		case conditions.GetReason(s.Infra, infrav1.DeletingCondition) != infrav1.NetworkInUseReason:
			return "the deletion to tell what it waits for: " + watch.Message(s.Infra, infrav1.DeletingCondition)
		}
		return ""
	})
	w.polled(t)
	g.Expect(w.instances(t)).To(ConsistOf(slices.Collect(maps.Values(strays))))
	g.Expect(w.devices()).To(HaveLen(len(strays)))
	for _, stray := range strays {
		g.Expect(w.OCI.TerminateInstance(stray)).To(Succeed())
	}
	m.await(t, gone)
}

// without is the map without some keys.
func without(all map[string]string, keys []string) map[string]string {
	out := maps.Clone(all)
	maps.DeleteFunc(out, func(key, _ string) bool { return slices.Contains(keys, key) })
	return out
}
