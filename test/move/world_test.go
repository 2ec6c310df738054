// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package move

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterctlv1 "sigs.k8s.io/cluster-api/cmd/clusterctl/api/v1alpha3"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/clouds"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
)

const (
	namespace   = metav1.NamespaceDefault
	clusterName = "traveller"
	version     = "v1.36.2"

	// timeout is the time limit of any step on a busy machine.
	timeout  = 4 * time.Minute
	interval = 200 * time.Millisecond
)

// world holds a cluster's surroundings, outside of any management cluster.
type world struct {
	*clouds.Clouds
	accounts []string
	dir      string
	seen     int // calls of OCI's log that changes has looked at
}

// newWorld starts so many accounts and a tailnet of a kind. VIPs come from a range of this test
// alone, since all listen on the same machine.
func newWorld(t *testing.T, accounts int, tailnet tailnetsim.Mode, vipRange string) *world {
	t.Helper()
	g := NewWithT(t)
	w := &world{dir: t.TempDir()}
	options := clouds.Options{
		Tailnet: tailnet, VIPRange: vipRange, PublicIPs: netip.MustParsePrefix("127.101.0.0/16"), Log: logr.Discard(),
	}
	for i := range accounts {
		account, err := user.NewAccount(fmt.Sprintf("account-%d", i+1), "eu-frankfurt-1")
		g.Expect(err).NotTo(HaveOccurred())
		options.Accounts, w.accounts = append(options.Accounts, account), append(w.accounts, account.Name)
	}
	var err error
	w.Clouds, err = clouds.Start(t.Context(), options)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// objects are the Tailnet and the accounts with their Secrets, labelled for clusterctl to move them
// too.
func (w *world) objects() []client.Object {
	objects := w.Objects(infrav1.AllowedNamespaces{List: []string{namespace}})
	for _, o := range objects {
		if secret, ok := o.(*corev1.Secret); ok {
			secret.Labels = map[string]string{clusterctlv1.ClusterctlMoveLabel: ""}
		}
	}
	return objects
}

// generate has clusterctl generate a cluster with one control plane by a flavor.
func (w *world) generate(t *testing.T, m *management, flavor string, workers int) []client.Object {
	t.Helper()
	variables := []string{"OCIMESH_TAILNET=" + clouds.TailnetName}
	for i, account := range w.accounts {
		variables = append(variables, fmt.Sprintf("OCIMESH_ACCOUNT_%d=%s", i+1, account))
	}
	objects, err := user.Generate(t.Context(), user.Generation{
		Clusterctl: programs.Clusterctl, Kubeconfig: m.Kubeconfig, Release: programs.release, Dir: m.Dir,
		Name: clusterName, Namespace: namespace, Version: version, Flavor: flavor, ControlPlanes: 1, Workers: workers,
		Environment: variables,
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	out := make([]client.Object, 0, len(objects))
	for _, o := range objects {
		out = append(out, o)
	}
	return out
}

// pool are the objects of a MachinePool beside the cluster's other workers.
func (w *world) pool(t *testing.T, m *management, members int) []client.Object {
	t.Helper()
	return slices.DeleteFunc(w.generate(t, m, "machine-pool", members), func(o client.Object) bool {
		kind := o.GetObjectKind().GroupVersionKind().Kind
		return kind != "MachinePool" && kind != "KubeadmConfig" && kind != "OCIMeshMachinePool"
	})
}

// clusterctlMove moves the namespace, with source and target from the arguments.
func (w *world) clusterctlMove(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	NewWithT(t).Expect(user.Move(ctx, programs.Clusterctl, w.dir, namespace, args...)).To(Succeed())
}

// claiming are a management cluster's calls to claim another one's resources. They change nothing
// but a tag; that the one for a pool does not is what the pool's status shows.
var claiming = []string{"UpdateInstance", "UpdateVcn", "UpdateLoadBalancer", "UpdateNetworkLoadBalancer", "UpdateInstancePool"}

// changes are the calls since the last query that changed something, or tried to, in an account or
// at a device of the tailnet.
func (w *world) changes() []string {
	var changes []string
	calls := w.OCI.Calls()
	for _, call := range calls[w.seen:] {
		if call.Method != http.MethodGet && !slices.Contains(claiming, call.Operation) {
			changes = append(changes, call.Operation)
		}
	}
	w.seen = len(calls)
	for _, call := range w.Tailnet.Calls() {
		if strings.Contains(call.Path, "/device/") && call.Method != http.MethodGet {
			changes = append(changes, call.Operation)
		}
	}
	w.Tailnet.ResetCalls()
	return changes
}

// polled waits until each account was polled twice more: earlier findings have been acted upon.
func (w *world) polled(t *testing.T) {
	t.Helper()
	for _, account := range w.accounts {
		polls := func() int { return w.OCI.CallCounts(account)["ListInstances"] }
		NewWithT(t).Eventually(polls, timeout, interval).Should(BeNumerically(">=", polls()+2))
	}
}

// devices are those of the tailnet, without the times of their last contact.
func (w *world) devices() []tailnetsim.Device {
	devices := w.Tailnet.Devices()
	for i := range devices {
		devices[i].LastSeen = time.Time{}
	}
	return devices
}

// keys are those of the tailnet that nobody has revoked, by identifier.
func (w *world) keys() []string {
	var ids []string
	for _, key := range w.Tailnet.Keys() {
		if key.Revoked.IsZero() {
			ids = append(ids, key.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// instances are all but TERMINATED ones, by OCID.
func (w *world) instances(t *testing.T) []string {
	t.Helper()
	var ids []string
	for _, account := range w.accounts {
		machines, err := w.OCI.Machines(account)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for _, machine := range machines {
			ids = append(ids, machine.ID)
		}
	}
	slices.Sort(ids)
	return ids
}
