// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package deployment

import (
	"crypto/tls"
	"net/http"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// patience is how long anything may take.
const patience = 90 * time.Second

const drains = "a node that is drained before its machine is changed in place, which has a cluster of its own"

// notExercised are rights not certain to be used in a life cycle, each with the reason why it is
// needed.
var notExercised = map[string]string{
	"delete ocimeshmachinepoolmachines infrastructure.cluster.x-k8s.io": "an instance that is gone before Cluster API made its Machine",
	"get machinedrainrules cluster.x-k8s.io":                            drains,
	"list machinedrainrules cluster.x-k8s.io":                           drains,
	"watch machinedrainrules cluster.x-k8s.io":                          drains,
	"patch machinepools cluster.x-k8s.io":                               "a pool whose size OCI's own autoscaling manages",
	"patch events":                                                      "an event that comes again is counted in the first one",
	"patch events events.k8s.io":                                        "an event that comes again is counted in the first one",
	"update secrets":                                                    "a key that is replaced before the launch",
}

// TestTheWholeLifeCycleOfEveryKindUnderTheShippedRoles has the manager make, change and delete one
// of each, as a release and as a manager for one namespace.
func TestTheWholeLifeCycleOfEveryKindUnderTheShippedRoles(t *testing.T) {
	for name, variant := range map[string]struct {
		components []string
		args       func(namespace string) []string
	}{
		"for all namespaces": {nil, func(string) []string { return nil }},
		"for one namespace": {
			[]string{namespaced, highAvailability}, func(namespace string) []string { return []string{"--namespace=" + namespace} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			s := newServer(t)
			joiner := newJoiner()
			w := helpers.NewWorld(t, s.Environment, helpers.WorldOptions{Accounts: 2, Sim: sim.Options{Booter: joiner}})
			joiner.control = w.Control
			objects := render(t, w.Namespace, variant.components...)
			s.apply(t, objects)
			args := variant.args(w.Namespace)
			g.Expect(managerArgs(t, objects)).To(ContainElements(args))
			m := s.startManager(t, args...)
			life := &life{World: w, joiner: joiner}

			life.prepare(t)
			life.create(t)
			life.change(t)
			life.repair(t)
			life.scrape(t, m)
			life.delete(t)
			w.ExpectNothingLeft(t)
			m.Stop()

			made, forbidden := s.requests(t)
			g.Expect(forbidden).To(BeEmpty(), "what the manager may not do")
			lease := &coordinationv1.Lease{}
			key := client.ObjectKey{Namespace: ownNamespace, Name: "capom-controller-manager-leader-election"}
			g.Expect(s.Client.Get(t.Context(), key, lease)).To(Succeed())
			g.Expect(lease.Spec.HolderIdentity).To(HaveValue(BeEmpty()), "the lease is released, so that another one leads at once")
			excess := slices.DeleteFunc(unused(t, objects, made), func(right string) bool { return notExercised[right] != "" })
			g.Expect(excess).To(BeEmpty(), "nobody uses these rights: take their markers away")
		})
	}
}

// life is one of each kind.
type life struct {
	*helpers.World
	joiner *joiner

	clusters []*clusterv1.Cluster
	infra    []*infrav1.OCIMeshCluster
	machines []*infrav1.OCIMeshMachine
	template *infrav1.OCIMeshMachineTemplate
	pool     *pool
}

// prepare moves one account's credentials into the manager's namespace, to be taken along by
// clusterctl.
func (l *life) prepare(t *testing.T) {
	t.Helper()
	secret := l.Credentials[0].DeepCopy()
	secret.ObjectMeta = metav1.ObjectMeta{Namespace: ownNamespace, Name: "oci", Labels: map[string]string{access.MoveLabel: ""}}
	l.Create(t, secret)
	helpers.Update(t, l.Environment, l.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.Credentials.SecretRef = infrav1.SecretReference{Namespace: secret.Namespace, Name: secret.Name}
	})
	l.untilReady(t, l.Accounts[0], l.Accounts[1], l.Tailnet)
	l.Reload(t, secret)
	NewWithT(t).Expect(secret.OwnerReferences).To(HaveLen(1))
}

func (l *life) create(t *testing.T) {
	t.Helper()
	l.cluster(t, "vip", l.Accounts[0], func(*infrav1.OCIMeshCluster) {})
	l.cluster(t, "balanced", l.Accounts[1], func(infra *infrav1.OCIMeshCluster) {
		infra.Spec.EndpointType = infrav1.EndpointNetworkLoadBalancer
		infra.Spec.LoadBalancer.Scope = infrav1.LoadBalancerPublic
		infra.Spec.Accounts[0].ControlPlane = ptr.To(true)
	})
	l.machine(t, l.clusters[0], "vip-control-plane", helpers.ControlPlane)
	l.machine(t, l.clusters[0], "vip-worker")
	l.machine(t, l.clusters[1], "balanced-control-plane", helpers.ControlPlane)
	l.template = &infrav1.OCIMeshMachineTemplate{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: l.Namespace, Name: "workers", Labels: map[string]string{clusterv1.ClusterNameLabel: "vip"},
			OwnerReferences: l.infra[0].OwnerReferences,
		},
	}
	l.template.Spec.Template.Spec = *l.machines[1].Spec.DeepCopy()
	l.template.Spec.Template.Spec.ProviderID = ""
	l.Create(t, l.template)
	l.pool = newPool(t, l, l.clusters[0], l.Accounts[0].Name)
	l.pool.until(t, 1)
	l.await(t, func(g Gomega) {
		g.Expect(l.Client.Get(t.Context(), client.ObjectKeyFromObject(l.template), l.template)).To(Succeed())
		g.Expect(l.template.Status.Capacity).NotTo(BeEmpty())
	})
}

func (l *life) change(t *testing.T) {
	t.Helper()
	for _, account := range l.Accounts {
		helpers.Update(t, l.Environment, account, func(account *infrav1.OCIAccount) {
			account.Spec.AllowedNamespaces = infrav1.AllowedNamespaces{Selector: &metav1.LabelSelector{}}
		})
	}
	helpers.Update(t, l.Environment, l.infra[0], func(infra *infrav1.OCIMeshCluster) {
		infra.Spec.Accounts = append(infra.Spec.Accounts, infrav1.ClusterAccount{Name: l.Accounts[1].Name})
	})
	l.await(t, func(g Gomega) {
		l.Reload(t, l.infra[0])
		g.Expect(l.infra[0].Status.Accounts).To(HaveLen(2))
	})
	l.untilReady(t, l.infra[0], l.Accounts[0], l.Accounts[1])
	l.pool.scale(t, 2)
	l.pool.until(t, 2)
	l.pool.scale(t, 1)
	l.pool.until(t, 1)
	l.pause(t, true)
	l.pause(t, false)
}

// pause pauses the first cluster with everything in it, or resumes it.
func (l *life) pause(t *testing.T, wanted bool) {
	t.Helper()
	helpers.Update(t, l.Environment, l.clusters[0], func(cluster *clusterv1.Cluster) { cluster.Spec.Paused = ptr.To(wanted) })
	for _, object := range []helpers.Conditioned{l.infra[0], l.machines[0], l.pool.own} {
		l.await(t, func(g Gomega) {
			l.Reload(t, object)
			g.Expect(conditions.IsTrue(object, clusterv1.PausedCondition)).To(Equal(wanted), "%T", object)
		})
	}
}

func (l *life) delete(t *testing.T) {
	t.Helper()
	l.remove(t, l.template)
	l.remove(t, l.pool.own)
	for _, machine := range l.machines {
		l.remove(t, machine)
	}
	for _, infra := range l.infra {
		l.remove(t, infra)
	}
	keys := &corev1.SecretList{}
	g := NewWithT(t)
	g.Expect(l.Client.List(t.Context(), keys, client.InNamespace(ownNamespace))).To(Succeed())
	g.Expect(keys.Items).To(HaveLen(1), "no tailnet key is left")
	l.remove(t, l.Accounts[0])
	l.remove(t, l.Accounts[1])
	l.remove(t, l.Tailnet)
}

// scrape reads the metrics as Prometheus would: the manager has to ask for the reader's identity
// and rights.
func (l *life) scrape(t *testing.T, m *manager) {
	t.Helper()
	g := NewWithT(t)
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "prometheus"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:monitoring"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ownNamespace, Name: "capom-manager"}},
	}
	l.Create(t, binding)
	// The manager signs its own certificate here.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // see above
	l.await(t, func(g Gomega) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+m.diagnostics+"/metrics", http.NoBody)
		g.Expect(err).NotTo(HaveOccurred())
		request.Header.Set("Authorization", "Bearer "+m.token)
		response, err := transport.RoundTrip(request)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(response.Body.Close()).To(Succeed())
		g.Expect(response.StatusCode).To(Equal(http.StatusOK))
	})
	g.Expect(l.Client.Delete(t.Context(), binding)).To(Succeed())
}

func (l *life) cluster(t *testing.T, name string, account *infrav1.OCIAccount, change func(*infrav1.OCIMeshCluster)) {
	t.Helper()
	cluster := helpers.NewCluster(l.Namespace, name)
	l.Create(t, cluster)
	infra := helpers.NewOCIMeshCluster(cluster, l.Tailnet.Name, []string{account.Name}, change)
	l.Create(t, infra)
	l.untilReady(t, infra)
	l.ProvisionInfrastructure(t, cluster)
	l.clusters, l.infra = append(l.clusters, cluster), append(l.infra, infra)
}

func (l *life) machine(t *testing.T, cluster *clusterv1.Cluster, name string, change ...func(*clusterv1.Machine)) {
	t.Helper()
	machine := helpers.NewMachine(cluster, name, change...)
	l.Create(t, machine, helpers.NewBootstrapSecret(machine, helpers.BootstrapData))
	own := helpers.NewOCIMeshMachine(machine)
	l.Create(t, own)
	l.machines = append(l.machines, own)
	l.untilReady(t, own)
}

func (l *life) untilReady(t *testing.T, objects ...helpers.Conditioned) {
	t.Helper()
	for _, object := range objects {
		l.await(t, func(g Gomega) {
			l.Reload(t, object)
			g.Expect(conditions.IsTrue(object, infrav1.ReadyCondition)).To(BeTrue(), "%s: %v", object.GetName(), object.GetConditions())
		})
	}
}

// remove deletes the object and waits until it is gone.
func (l *life) remove(t *testing.T, object client.Object) {
	t.Helper()
	NewWithT(t).Expect(l.Client.Delete(t.Context(), object)).To(Succeed())
	l.await(t, func(g Gomega) {
		err := l.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object)
		g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "%T %s: %v", object, object.GetName(), object)
	})
}

func (l *life) await(t *testing.T, check func(Gomega)) {
	t.Helper()
	g := NewWithT(t)
	g.Eventually(func(g Gomega) {
		if l.pool != nil {
			g.Expect(l.pool.core(t.Context())).To(Succeed())
		}
		g.Expect(l.joiner.problem()).NotTo(HaveOccurred())
		check(g)
	}).WithTimeout(patience).WithPolling(100 * time.Millisecond).Should(Succeed())
}
