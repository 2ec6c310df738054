// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

// timeout is how long a test waits for what should take a fraction of a second.
const timeout = time.Minute

// bench is a world with a reconciler that is called by hand.
type bench struct {
	*helpers.World
	t *testing.T
	g *WithT
	r *Reconciler
	// log is the log of passes; nobody reads it by default.
	log logr.Logger
	// pause is between two passes of those that wait for something.
	pause time.Duration
}

// newBench starts a world whose accounts and tailnet are Ready.
func newBench(t *testing.T, options helpers.WorldOptions) *bench {
	t.Helper()
	if options.Sim.Delays == nil {
		// A pass finds done what the one before has begun.
		options.Sim.Delays = &sim.Delays{Network: time.Millisecond, Retention: time.Minute}
	}
	b := &bench{World: helpers.NewWorld(t, env, options), t: t, g: NewWithT(t), pause: 5 * time.Millisecond}
	b.restart()
	b.MakeReady(t)
	return b
}

// restart forgets what a process knows.
func (b *bench) restart() {
	b.r = &Reconciler{
		Client: b.Client, Reader: b.Client, // OCI is done within a millisecond here.
		Options: Options{ListLag: time.Millisecond, Intervals: phases.Intervals{Progress: time.Millisecond}},
		Clients: access.New(access.Options{Client: b.Client, RequestTimeout: 10 * time.Second, Limits: oci.Unlimited(), StrangerInterval: time.Nanosecond}),
	}
}

// cluster creates a Cluster and its infrastructure in all accounts.
func (b *bench) cluster(name string, change ...func(*clusterv1.Cluster, *infrav1.OCIMeshCluster)) *infrav1.OCIMeshCluster {
	b.t.Helper()
	cluster := helpers.NewCluster(b.Namespace, name)
	for _, f := range change {
		f(cluster, &infrav1.OCIMeshCluster{})
	}
	b.Create(b.t, cluster)
	infra := helpers.NewOCIMeshCluster(cluster, b.Tailnet.Name, b.AccountNames())
	for _, f := range change {
		f(cluster, infra)
	}
	b.Create(b.t, infra)
	return infra
}

// reconcile reconciles once and reads the object, if it is still there.
func (b *bench) reconcile(infra *infrav1.OCIMeshCluster) (ctrl.Result, error) {
	b.t.Helper()
	key := client.ObjectKeyFromObject(infra)
	result, err := b.r.Reconcile(ctrl.LoggerInto(b.t.Context(), b.log), ctrl.Request{NamespacedName: key})
	if readErr := b.Client.Get(b.t.Context(), key, infra); !apierrors.IsNotFound(readErr) {
		b.g.Expect(readErr).NotTo(HaveOccurred())
	}
	return result, err
}

// until reconciles until the object has the condition, as "Type Status Reason".
func (b *bench) until(infra *infrav1.OCIMeshCluster, condition string) {
	b.t.Helper()
	b.g.Eventually(func(g Gomega) []string {
		_, err := b.reconcile(infra)
		g.Expect(err).NotTo(HaveOccurred())
		return helpers.ConditionsOf(infra)
	}, timeout, b.pause).Should(ContainElement(condition), "%v", infra.Status.Accounts)
}

// deleted deletes the infrastructure and reconciles until it is gone.
func (b *bench) deleted(infra *infrav1.OCIMeshCluster) {
	b.t.Helper()
	b.g.Expect(b.Client.Delete(b.t.Context(), infra.DeepCopy())).To(Succeed())
	b.untilGone(infra)
}

func (b *bench) untilGone(infra *infrav1.OCIMeshCluster) {
	b.t.Helper()
	b.g.Eventually(func(g Gomega) bool {
		_, err := b.reconcile(infra)
		g.Expect(err).NotTo(HaveOccurred())
		return apierrors.IsNotFound(b.Client.Get(b.t.Context(), client.ObjectKeyFromObject(infra), infra.DeepCopy()))
	}, timeout, b.pause).Should(BeTrue(), "%v", infra.Status)
}

// machineIn creates a machine of the cluster that is placed in the account.
func (b *bench) machineIn(infra *infrav1.OCIMeshCluster, name, account string) *infrav1.OCIMeshMachine {
	b.t.Helper()
	owner := helpers.NewCluster(infra.Namespace, infra.Name)
	machine := helpers.NewMachine(owner, name)
	b.Create(b.t, machine)
	placed := helpers.NewOCIMeshMachine(machine)
	b.Create(b.t, placed)
	placed.Status.Placement = infrav1.Placement{Attempt: 1, Account: account, AvailabilityDomain: "x", Shape: "VM.x"}
	b.g.Expect(b.Client.Status().Update(b.t.Context(), placed)).To(Succeed())
	return placed
}

// intercept lets the functions stand between the reconciler and the API server.
func (b *bench) intercept(functions interceptor.Funcs) {
	b.t.Helper()
	direct, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Scheme, Mapper: env.Client.RESTMapper()})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.r.Client = interceptor.NewClient(direct, functions)
}

// count counts the calls of a kind, over all tenancies.
func (b *bench) count(operation string) int { return b.OCI.CallCounts("")[operation] }

type change = func(*clusterv1.Cluster, *infrav1.OCIMeshCluster)

// withEndpoint makes an endpoint of the type, and more changes.
func withEndpoint(kind infrav1.EndpointType, more ...func(*infrav1.OCIMeshCluster)) change {
	if kind.HasLoadBalancer() {
		return balanced(kind, more...)
	}
	return func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.EndpointType = kind
		for _, f := range more {
			if len(infra.Spec.Accounts) > 0 {
				f(infra)
			}
		}
	}
}
