// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/strays"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// fixture is an account of which the test tells the time.
type fixture struct {
	*helpers.World
	r       *Reconciler
	account *infrav1.OCIAccount
	oci     *oci.Client
	subnet  string
	now     time.Time
	events  *events.FakeRecorder
}

const nodeImage = "ocid1.image.oc1..node"

func newFixture(t *testing.T) *fixture {
	t.Helper()
	g := NewWithT(t)
	w := &fixture{now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	w.World = helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1, Tenancy: func(_ int, tenancy *sim.Tenancy) {
		tenancy.Images = []sim.ImageSpec{{
			Name: "node", OperatingSystem: "Canonical Ubuntu", OperatingSystemVersion: "24.04", Arch: "arm64", OCID: nodeImage,
		}}
	}})
	w.account = w.Accounts[0]
	w.restart()
	reconciled(t, w.r, w.account)
	var err error
	w.oci, err = w.Clients.OCI(t.Context(), w.account)
	g.Expect(err).NotTo(HaveOccurred())
	vcn, err := w.oci.CreateVCN(t.Context(), oci.VCNSpec{DisplayName: "net", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() error {
		subnet, err := w.oci.CreateSubnet(t.Context(), oci.SubnetSpec{VCNID: vcn.ID, CIDR: netip.MustParsePrefix("10.0.0.0/20")})
		w.subnet = subnet.ID
		return err
	}, time.Minute).Should(Succeed())
	return w
}

// restart is a new process: nothing that was seen is known any more.
func (w *fixture) restart() {
	w.events = events.NewFakeRecorder(100)
	pollers := poller.New(env.Client, w.Clients, poller.Options{Clock: func() time.Time { return w.now }})
	w.r = &Reconciler{Client: env.Client, Clients: w.Clients, Pollers: pollers, Recorder: w.events, Options: Options{Intervals: phases.Intervals{Progress: time.Hour}}}
}

// launch launches an instance behind everybody's back.
func (w *fixture) launch(t *testing.T, name string, tags map[string]string) string {
	t.Helper()
	var launched oci.Instance
	NewWithT(t).Eventually(func() (err error) {
		launched, err = w.oci.LaunchInstance(t.Context(), oci.LaunchSpec{
			DisplayName: name, AvailabilityDomain: w.Tenancies[0].AvailabilityDomains()[0], Shape: arm, OCPUs: 1, MemoryGB: 6,
			ImageID: nodeImage, SubnetID: w.subnet, Tags: tags,
		})
		return err
	}, time.Minute).Should(Succeed())
	return launched.ID
}

// look polls and reconciles once for each time that passes before.
func (w *fixture) look(t *testing.T, after ...time.Duration) {
	t.Helper()
	for _, passed := range after {
		w.now = w.now.Add(passed)
		NewWithT(t).Expect(w.r.Pollers.Poll(t.Context(), w.account.Name)).To(Succeed())
		reconciled(t, w.r, w.account)
	}
}

// long is often enough and for long enough.
var long = []time.Duration{time.Minute, 5 * time.Minute, 6 * time.Minute}

func (w *fixture) expect(t *testing.T, want string, count int) {
	t.Helper()
	helpers.ExpectConditions(t, w.account, "Ready True Ready", "CredentialsValid True Ready", "CompartmentAccessible True Ready",
		"StraysAbsent "+want, "Deleting False NotDeleting")
	g := NewWithT(t)
	g.Expect(w.account.Status.Strays.Count).To(HaveValue(BeEquivalentTo(count)))
	g.Expect(w.account.Status.Strays.Instances).To(HaveLen(min(count, strays.Named)))
}

// machine makes an OCIMeshMachine; identity is its annotation's UID.
func (w *fixture) machine(t *testing.T, namespace, name, identity string, change ...func(*infrav1.OCIMeshMachine)) *infrav1.OCIMeshMachine {
	t.Helper()
	machine := &infrav1.OCIMeshMachine{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{
			infrav1.IdentityAnnotation: namespace + "/" + name + "/" + identity,
		}},
		Spec: infrav1.OCIMeshMachineSpec{Shapes: []infrav1.Shape{{Name: arm, OCPUs: 1, MemoryGB: 6}}, Image: infrav1.Image{Name: "node"}},
	}
	for _, f := range change {
		f(machine)
	}
	status := machine.Status
	w.Create(t, machine)
	machine.Status = status
	machine.Status.Placement = infrav1.Placement{
		Attempt: 1, Account: w.account.Name, AvailabilityDomain: w.Tenancies[0].AvailabilityDomains()[0], Shape: arm,
	}
	if status.Placement.Account == "-" {
		return machine
	}
	NewWithT(t).Expect(w.Client.Status().Update(t.Context(), machine)).To(Succeed())
	return machine
}

// unplaced leaves the machine without a status, as clusterctl move does.
func unplaced(machine *infrav1.OCIMeshMachine) { machine.Status.Placement.Account = "-" }

const (
	present  = "True Ready"
	stray    = "False StraysFound"
	possible = "Unknown Waiting"
)

func (w *fixture) pool(t *testing.T, namespace, identity string) {
	t.Helper()
	w.Create(t, helpers.NewOCIMeshMachinePool(namespace, "pool", w.account.Name, identity))
}

func (w *fixture) cluster(t *testing.T, identity string, paused bool) {
	t.Helper()
	cluster := helpers.NewCluster(w.Namespace, "c1", func(c *clusterv1.Cluster) { c.Spec.Paused = ptr.To(paused) })
	w.Create(t, cluster)
	infra := helpers.NewOCIMeshCluster(cluster, w.Tailnet.Name, w.AccountNames())
	infra.Annotations = map[string]string{infrav1.IdentityAnnotation: w.Namespace + "/c1/" + identity}
	w.Create(t, infra)
}

func TestAnInstanceCountsOnlyOnceItWasSeenForAWhile(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	helpers.ExpectConditions(t, w.account, "Ready True Ready", "CredentialsValid True Ready", "CompartmentAccessible True Ready",
		"StraysAbsent Unknown Waiting", "Deleting False NotDeleting")
	w.look(t, 0)
	w.expect(t, present, 0)
	id := w.launch(t, "worker-1", ownership.Machine("uid", w.Namespace, "worker").Tags())

	w.look(t, time.Minute)
	w.expect(t, possible, 0)
	first := w.now
	w.look(t, time.Minute, time.Minute, time.Minute)
	w.expect(t, possible, 0)
	w.look(t, 7*time.Minute)
	w.expect(t, stray, 1)

	seen := w.account.Status.Strays.Instances[0]
	g.Expect(seen.ID).To(Equal(id))
	g.Expect(seen.DisplayName).To(Equal("worker-1"))
	g.Expect(seen.Owner).To(Equal(w.Namespace + "/worker"))
	g.Expect(seen.Since.UTC()).To(Equal(first))
	message := helpers.MessageOf(w.account, infrav1.StraysAbsentCondition)
	g.Expect(message).To(ContainSubstring("another management cluster's"))
	command := fmt.Sprintf("--instance-id %s --profile %s --region %s", id, w.account.Name, helpers.Region)
	g.Expect(message).To(And(ContainSubstring("oci compute instance get "+command), ContainSubstring("oci compute instance terminate "+command)))
	g.Eventually(w.events.Events, time.Minute).Should(Receive(ContainSubstring("Warning StraysFound There is 1 instance")))

	version := w.account.ResourceVersion
	w.look(t, time.Minute, time.Minute)
	g.Expect(w.account.ResourceVersion).To(Equal(version), "what has not changed is not written")
	g.Expect(w.events.Events).NotTo(Receive(), "nor told")
	reconciled(t, w.r, w.account)
	w.expect(t, stray, 1)

	g.Expect(w.OCI.TerminateInstance(id)).To(Succeed())
	w.look(t, time.Minute)
	w.expect(t, present, 0)
	g.Eventually(w.events.Events, time.Minute).Should(Receive(ContainSubstring("Normal StraysGone")))
}

func TestAnObjectThatComesBackIsNoticedWithTheNextPoll(t *testing.T) {
	w := newFixture(t)
	w.launch(t, "worker-1", ownership.Machine("uid", w.Namespace, "worker").Tags())
	w.look(t, long...)
	w.expect(t, stray, 1)

	w.machine(t, w.Namespace, "worker", "uid")

	w.look(t, time.Minute)
	w.expect(t, present, 0)
}

func TestAfterARestartTheTimeOfSuspectsBeginsAnewAndStraysStay(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	w.launch(t, "worker-1", ownership.Machine("uid", w.Namespace, "worker").Tags())
	w.look(t, long[:2]...)
	w.restart()
	w.look(t, long[:2]...)
	w.expect(t, possible, 0)
	w.look(t, long[2])
	w.expect(t, stray, 1)

	w.restart()
	told := w.account.Status.Strays
	reconciled(t, w.r, w.account)
	for _, after := range long {
		w.expect(t, stray, 1)
		w.look(t, after)
	}
	w.expect(t, stray, 1)
	g.Expect(w.account.Status.Strays).To(Equal(told))
}

// Each write of the one wakes the other. Both may list machines everywhere, and each may get those
// of its own namespace only.
func TestTwoManagersOfAnAccountDoNotWriteOverEachOthersStrays(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	theirs := w.Environment.Namespace(t, nil)
	const many = strays.Named + 1
	for i := range many {
		w.launch(t, fmt.Sprintf("worker-%d", i), ownership.Machine(fmt.Sprintf("uid-%d", i), w.Namespace, "worker").Tags())
	}
	w.launch(t, "worker", ownership.Machine("uid", theirs, "worker").Tags())
	managers := make([]*Reconciler, 0, 2)
	for _, namespace := range []string{w.Namespace, theirs} {
		w.restart()
		w.r.Reader = readerOf(t, namespace)
		managers = append(managers, w.r)
	}
	turn := func(after time.Duration) {
		w.now = w.now.Add(after)
		for _, w.r = range managers {
			w.look(t, 0)
		}
	}
	for _, after := range long {
		turn(after)
	}
	turn(time.Minute)
	w.expect(t, stray, many+1)

	version := w.account.ResourceVersion
	for range 3 {
		turn(time.Minute)
	}
	g.Expect(w.account.ResourceVersion).To(Equal(version))
	w.restart()
	w.r.Reader = readerOf(t, theirs)
	managers[1] = w.r
	for range 3 {
		turn(time.Minute)
	}
	g.Expect(w.account.ResourceVersion).To(Equal(version), "one was started anew")
}

// readerOf may get the objects of one namespace.
func readerOf(t *testing.T, namespace string) client.Client {
	t.Helper()
	watching, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Scheme})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return interceptor.NewClient(watching, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
			if key.Namespace != namespace {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "ocimeshmachines"}, key.Name, nil)
			}
			return c.Get(ctx, key, object, opts...)
		},
	})
}

func TestNothingIsAStrayWhileTheAPIServerOrTheAccountDoesNotAnswer(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	w.launch(t, "worker-1", ownership.Machine("uid", w.Namespace, "worker").Tags())
	failing := true
	watching, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	w.r.Reader = interceptor.NewClient(watching, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
			if _, metadata := object.(*metav1.PartialObjectMetadata); metadata && failing {
				return errors.New("the API server is down")
			}
			return c.Get(ctx, key, object, opts...)
		},
	})
	w.look(t, long[:2]...)
	w.now = w.now.Add(6 * time.Minute)
	g.Expect(w.r.Pollers.Poll(t.Context(), w.account.Name)).To(Succeed())
	_, err = w.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(w.account)})
	g.Expect(err).To(MatchError(ContainSubstring("the API server is down")))
	env.Reload(t, w.account)
	w.expect(t, possible, 0)

	failing = false
	w.OCI.AddFault(sim.Fault{Operation: "ListInstances", Status: 503, Code: "ServiceUnavailable", Times: -1})
	for range 3 {
		w.now = w.now.Add(5 * time.Minute)
		g.Expect(w.r.Pollers.Poll(t.Context(), w.account.Name)).To(Succeed())
		reconciled(t, w.r, w.account)
	}
	g.Expect(helpers.ConditionsOf(w.account)).To(ContainElement("StraysAbsent " + possible))

	w.OCI.ClearFaults()
	w.look(t, time.Minute)
	w.expect(t, stray, 1)
}

func TestManyStraysAreCountedAndSomeAreNamed(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	const many = 18
	for i := range many {
		w.launch(t, fmt.Sprintf("worker-%d", i), ownership.Machine(fmt.Sprintf("uid-%d", i), w.Namespace, fmt.Sprintf("worker-%d", i)).Tags())
	}
	w.look(t, long...)
	w.expect(t, stray, many)
	g.Expect(helpers.MessageOf(w.account, infrav1.StraysAbsentCondition)).To(ContainSubstring("15 more in status.strays"))
}
