// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

const (
	arm       = "VM.Standard.A1.Flex"
	armFamily = "Standard.A1"
	namespace = "ns"
)

// objects are what the API server would hold.
type objects struct {
	client.Client
	all map[string]client.Object
}

func idOf(key client.ObjectKey, object client.Object) string {
	return fmt.Sprintf("%T %s", object, key)
}

func (o *objects) put(all ...client.Object) {
	for _, object := range all {
		o.all[idOf(client.ObjectKeyFromObject(object), object)] = object
	}
}

// Get copies the object, as a cache does.
func (o *objects) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	found, ok := o.all[idOf(key, into)]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: fmt.Sprintf("%T", into)}, key.Name)
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(found.DeepCopyObject()).Elem())
	return nil
}

// List lists the machines.
func (o *objects) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	machines, ok := list.(*infrav1.OCIMeshMachineList)
	if !ok {
		return fmt.Errorf("%T is not listed here", list)
	}
	for _, object := range o.all {
		if machine, ok := object.(*infrav1.OCIMeshMachine); ok {
			machines.Items = append(machines.Items, *machine)
		}
	}
	return nil
}

// world is a cluster in simulated accounts, and a scheduler without an API server.
type world struct {
	*objects
	scheduler *Scheduler
	clients   *access.Clients
	pollers   *poller.Pollers
	oci       *sim.Sim
	accounts  []*infrav1.OCIAccount
	cluster   *infrav1.OCIMeshCluster
	pools     []Pool
	advance   time.Duration
}

// newWorld has accounts of these names, each with one availability domain.
func newWorld(t *testing.T, change func(*sim.Tenancy), names ...string) *world {
	t.Helper()
	g := NewWithT(t)
	w := &world{objects: &objects{all: map[string]client.Object{}}}
	w.cluster = &infrav1.OCIMeshCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: blue.Name}}
	var tenancies []*sim.Tenancy
	var secrets []*corev1.Secret
	for _, name := range names {
		tenancy := sim.NewTenancy(name)
		if change != nil {
			change(tenancy)
		}
		user, err := tenancy.NewUser()
		g.Expect(err).NotTo(HaveOccurred())
		tenancies, secrets = append(tenancies, tenancy), append(secrets, helpers.NewCredentials(namespace, name, user))
	}
	var err error
	w.oci, err = sim.New(sim.Options{Tenancies: tenancies, Delays: helpers.FastDelays()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.oci.Start("127.0.0.1:0")).To(Succeed())
	t.Cleanup(func() { _ = w.oci.Close() })
	for i, tenancy := range tenancies {
		account := helpers.NewOCIAccount(tenancy.Name, secrets[i], helpers.Region, tenancy.Compartment(), w.oci.URL())
		account.UID = types.UID("uid-" + tenancy.Name)
		for n, domain := range tenancy.AvailabilityDomains() {
			account.Status.AvailabilityDomains = append(account.Status.AvailabilityDomains, infrav1.AvailabilityDomain{
				Name: domain, ShortName: fmt.Sprintf("ad-%d", n+1), FaultDomains: tenancy.FaultDomains(),
			})
		}
		conditions.Set(account, report.OK(infrav1.ReadyCondition))
		w.put(secrets[i], account)
		w.accounts = append(w.accounts, account)
		w.cluster.Spec.Accounts = append(w.cluster.Spec.Accounts, infrav1.ClusterAccount{Name: account.Name})
		w.cluster.Status.Accounts = append(w.cluster.Status.Accounts, infrav1.ClusterAccountStatus{
			Name: account.Name, Ready: ptr.To(true), SubnetID: "subnet",
		})
	}
	w.restart(t)
	return w
}

// restart is a new process, which has polled once.
func (w *world) restart(t *testing.T) {
	t.Helper()
	w.clients = access.New(access.Options{Client: w.objects, Limits: oci.Unlimited()})
	w.pollers = poller.New(w.objects, w.clients, poller.Options{Clock: w.now})
	w.scheduler = New(Options{
		Client: w.objects, APIReader: w.objects, Access: w.clients, Pollers: w.pollers, Clock: w.now,
		Pools: func(context.Context) ([]Pool, error) { return append([]Pool(nil), w.pools...), nil },
	})
	w.poll(t)
}

func (w *world) poll(t *testing.T) {
	t.Helper()
	for _, account := range w.accounts {
		NewWithT(t).Expect(w.pollers.Poll(t.Context(), account.Name)).To(Succeed())
	}
}

func (w *world) now() time.Time { return time.Now().Add(w.advance) }

// budget bounds what the i-th account may have of a family.
func (w *world) budget(i int, family infrav1.FamilyBudget) {
	w.accounts[i].Spec.Budget = infrav1.AccountBudget{Families: []infrav1.FamilyBudget{family}}
}

// request is of a machine of the name that has no placement.
func (w *world) request(name string, shapes ...infrav1.Shape) Request {
	machine := machineIn(name, infrav1.Placement{})
	if len(shapes) > 0 {
		machine.Spec.Shapes = shapes
	}
	machine.Spec.Image = infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Canonical Ubuntu", Version: "24.04"}}
	request := requestOf(machine)
	request.InfraCluster = w.cluster
	return request
}

// written has the status of the machine show the placement.
func (w *world) written(request Request, at Placement) {
	machine := machineIn(request.Key.Name, at.Placement)
	machine.Spec = request.Spec
	w.put(machine)
}

// requestOf is the request of a machine of the cluster blue.
func requestOf(machine *infrav1.OCIMeshMachine) Request {
	return Request{
		Key: client.ObjectKeyFromObject(machine), ResourceVersion: machine.ResourceVersion, Identity: identity.Of(machine),
		Recorded: machine.Status.Placement, Granted: machine.Status.Size, Attempt: machine.Status.Placement.Attempt + 1,
		Labels: map[string]string{clusterv1.ClusterNameLabel: blue.Name}, Spec: machine.Spec, Cluster: blue,
	}
}
