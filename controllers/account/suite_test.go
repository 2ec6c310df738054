// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

// reconciled reconciles the account until its finalizer is on and it has been looked at, and reads
// it.
func reconciled(t *testing.T, r *Reconciler, account *infrav1.OCIAccount) ctrl.Result {
	t.Helper()
	return env.Reconciled(t, r, account)
}

func newWorld(t *testing.T, tenancy ...func(int, *sim.Tenancy)) (*helpers.World, *Reconciler) {
	t.Helper()
	options := helpers.WorldOptions{Accounts: 1}
	if len(tenancy) > 0 {
		options.Accounts, options.Tenancy = 2, tenancy[0]
	}
	w := helpers.NewWorld(t, env, options)
	return w, &Reconciler{Client: env.Client, Clients: w.Clients}
}

func changeSecret(key, value string) func(*testing.T, *helpers.World) {
	return func(t *testing.T, w *helpers.World) {
		t.Helper()
		helpers.Update(t, env, w.Credentials[0].DeepCopy(), func(s *corev1.Secret) { s.Data[key] = []byte(value) })
	}
}

// restoreSecret gives the Secret the credentials of a new user.
func restoreSecret(t *testing.T, w *helpers.World) {
	t.Helper()
	user, err := w.OCI.NewUser(w.Tenancies[0])
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	helpers.Update(t, env, w.Credentials[0], func(s *corev1.Secret) { s.Data = helpers.NewCredentials("", "", user).Data })
}

// newPolled is a world of one account with a poller that the test drives.
func newPolled(t *testing.T, options helpers.WorldOptions) (*helpers.World, *Reconciler) {
	t.Helper()
	options.Accounts = 1
	w := helpers.NewWorld(t, env, options)
	pollers := poller.New(env.Client, w.Clients, poller.Options{})
	return w, &Reconciler{Client: env.Client, Clients: w.Clients, Pollers: pollers}
}

const (
	arm     = "VM.Standard.A1.Flex"
	instant = time.Nanosecond
)

// newStocked is an account with the Always Free budget and a machine of 1 OCPU and 6 GB placed in
// it.
func newStocked(t *testing.T) (*helpers.World, *Reconciler, *infrav1.OCIAccount) {
	t.Helper()
	w, r := newPolled(t, helpers.WorldOptions{})
	r.Options = Options{Intervals: phases.Intervals{Progress: instant}}
	account := w.Accounts[0]
	helpers.Update(t, w.Environment, account, func(a *infrav1.OCIAccount) { a.Spec.Budget.AlwaysFree = ptr.To(true) })
	reconciled(t, r, account)
	machine := &infrav1.OCIMeshMachine{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: "worker"},
		Spec: infrav1.OCIMeshMachineSpec{
			Shapes: []infrav1.Shape{{Name: arm, OCPUs: 1, MemoryGB: 6}},
			Image:  infrav1.Image{Name: "node"}, BootVolume: infrav1.BootVolume{SizeGB: 60},
		},
	}
	w.Create(t, machine)
	machine.Status.Placement = infrav1.Placement{
		Attempt: 1, Account: account.Name, AvailabilityDomain: w.Tenancies[0].AvailabilityDomains()[0], Shape: arm,
	}
	NewWithT(t).Expect(w.Client.Status().Update(t.Context(), machine)).To(Succeed())
	return w, r, account
}

// badAccount is bad input, or trouble. A condition tells it, with a remedy, until it is fixed.
type badAccount struct {
	spoil, fix func(*testing.T, *helpers.World)
	want       []string
	message    string
}

func (b badAccount) expectToldAndHealed(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	w, r := newWorld(t, func(int, *sim.Tenancy) {})
	account := w.Accounts[0]
	b.spoil(t, w)

	reconciled(t, r, account)

	helpers.ExpectConditions(t, account, append(b.want, "StraysAbsent Unknown Waiting", "Deleting False NotDeleting")...)
	g.Expect(helpers.MessageOf(account, infrav1.ReadyCondition)).To(ContainSubstring(b.message))

	b.fix(t, w)
	reconciled(t, r, account)

	g.Expect(helpers.ConditionsOf(account)).To(ContainElement("Ready True Ready"))
	g.Expect(account.Status.AvailabilityDomains).NotTo(BeEmpty())
}
