// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/ocisim/sim"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

// reconciled reconciles the account until its finalizer is on and it has been looked at, and reads
// it.
func reconciled(t *testing.T, r *Reconciler, account *infrav1.OCIAccount) ctrl.Result {
	t.Helper()
	var result ctrl.Result
	for range 2 {
		var err error
		result, err = r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(account)})
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	}
	env.Reload(t, account)
	return result
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

func TestAGoodAccountIsReadyAndKnowsItsDomains(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t, func(_ int, tenancy *sim.Tenancy) { tenancy.ADs = 3 })
	account := w.Accounts[0]

	result := reconciled(t, r, account)

	helpers.ExpectConditions(t, account, "Ready True Ready", "CredentialsValid True Ready", "CompartmentAccessible True Ready",
		"StraysAbsent Unknown Waiting", "Deleting False NotDeleting")
	g.Expect(account.Finalizers).To(ConsistOf(infrav1.OCIAccountFinalizer))
	var domains []string
	for _, domain := range account.Status.AvailabilityDomains {
		domains = append(domains, domain.ShortName)
		g.Expect(domain.FaultDomains).To(HaveLen(3))
	}
	g.Expect(domains).To(Equal([]string{"ad-1", "ad-2", "ad-3"}))
	g.Expect(account.Status.AvailabilityDomains[0].Name).To(Equal(w.Tenancies[0].AvailabilityDomains()[0]))
	g.Expect(result.RequeueAfter).To(BeNumerically("~", time.Minute, 10*time.Second))
}

func TestAPollOfAGoodAccountIsTwoCalls(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	reconciled(t, r, w.Accounts[0])
	w.OCI.ResetCalls()

	reconciled(t, r, w.Accounts[0])

	g.Expect(w.OCI.CallCounts("")).To(Equal(map[string]int{"ListInstances": 2, "ListVcns": 2}), "two polls")
}

// Bad input, each shown by a condition with a remedy, and healed by itself once it is mended.
func TestABadAccountSaysWhatIsWrongAndHeals(t *testing.T) {
	for name, world := range map[string]struct {
		spoil   func(*testing.T, *helpers.World)
		mend    func(*testing.T, *helpers.World)
		want    []string
		message string
	}{
		"Secret missing": {
			spoil: func(t *testing.T, w *helpers.World) {
				NewWithT(t).Expect(env.Client.Delete(t.Context(), w.Credentials[0].DeepCopy())).To(Succeed())
			},
			mend: func(t *testing.T, w *helpers.World) {
				w.Credentials[0].ResourceVersion, w.Credentials[0].UID = "", ""
				env.Create(t, w.Credentials[0])
			},
			want:    []string{"CredentialsValid False SecretNotFound", "CompartmentAccessible Unknown Waiting", "Ready False SecretNotFound"},
			message: "create it",
		},
		"key malformed": {
			spoil:   changeSecret("key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
			mend:    restoreSecret,
			want:    []string{"CredentialsValid False SecretInvalid", "CompartmentAccessible Unknown Waiting", "Ready False SecretInvalid"},
			message: "private key",
		},
		"wrong fingerprint": {
			spoil:   changeSecret("fingerprint", "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"),
			mend:    restoreSecret,
			want:    []string{"CredentialsValid False SecretInvalid", "CompartmentAccessible Unknown Waiting", "Ready False SecretInvalid"},
			message: "does not belong to the key",
		},
		"key of another tenancy": {
			spoil: func(t *testing.T, w *helpers.World) {
				helpers.Update(t, env, w.Credentials[0], func(s *corev1.Secret) {
					s.Data["key"], s.Data["fingerprint"] = w.Credentials[1].Data["key"], w.Credentials[1].Data["fingerprint"]
				})
			},
			mend:    restoreSecret,
			want:    []string{"CredentialsValid False AuthenticationFailed", "CompartmentAccessible Unknown Waiting", "Ready False AuthenticationFailed"},
			message: "credentials belong to this account",
		},
		"key revoked": {
			spoil: func(t *testing.T, w *helpers.World) {
				NewWithT(t).Expect(w.OCI.RevokeKey(w.Tenancies[0].Name, string(w.Credentials[0].Data["fingerprint"]))).To(Succeed())
			},
			mend: func(t *testing.T, w *helpers.World) {
				NewWithT(t).Expect(w.OCI.RestoreUsers(w.Tenancies[0])).To(Succeed())
			},
			want:    []string{"CredentialsValid False AuthenticationFailed", "CompartmentAccessible Unknown Waiting", "Ready False AuthenticationFailed"},
			message: "key has not been deleted",
		},
		"compartment without permission": {
			spoil: func(t *testing.T, w *helpers.World) {
				stranger, err := w.OCI.NewUser(w.Tenancies[0], w.Tenancies[0].OCID)
				NewWithT(t).Expect(err).NotTo(HaveOccurred())
				helpers.Update(t, env, w.Credentials[0], func(s *corev1.Secret) {
					s.Data = helpers.NewCredentials("", "", stranger).Data
				})
			},
			mend: restoreSecret,
			want: []string{
				"CredentialsValid True Ready", "CompartmentAccessible False NotAuthorizedOrNotFound", "Ready False NotAuthorizedOrNotFound",
			},
			message: "check the OCID and the policies",
		},
		"service unavailable": {
			spoil: func(_ *testing.T, w *helpers.World) {
				w.OCI.AddFault(sim.Fault{Operation: "ListInstances", Status: 503, Code: "ServiceUnavailable", Times: -1})
			},
			mend:    func(_ *testing.T, w *helpers.World) { w.OCI.ClearFaults() },
			want:    []string{"CredentialsValid Unknown Unavailable", "CompartmentAccessible False Unavailable", "Ready False Unavailable"},
			message: "repeated later",
		},
		"too many requests": {
			spoil: func(_ *testing.T, w *helpers.World) {
				w.OCI.AddFault(sim.Fault{Status: 429, Code: "TooManyRequests", Times: -1})
			},
			mend:    func(_ *testing.T, w *helpers.World) { w.OCI.ClearFaults() },
			want:    []string{"CredentialsValid Unknown Throttled", "CompartmentAccessible False Throttled", "Ready False Throttled"},
			message: "repeated later",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w, r := newWorld(t, func(int, *sim.Tenancy) {})
			account := w.Accounts[0]
			world.spoil(t, w)

			reconciled(t, r, account)

			helpers.ExpectConditions(t, account, append(world.want, "StraysAbsent Unknown Waiting", "Deleting False NotDeleting")...)
			g.Expect(helpers.MessageOf(account, infrav1.ReadyCondition)).To(ContainSubstring(world.message))

			world.mend(t, w)
			reconciled(t, r, account)

			g.Expect(helpers.ConditionsOf(account)).To(ContainElement("Ready True Ready"))
			g.Expect(account.Status.AvailabilityDomains).NotTo(BeEmpty())
		})
	}
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

func TestARegionThatTheTenancyHasNotSubscribedTo(t *testing.T) {
	w, r := newWorld(t)
	account := helpers.NewOCIAccount(w.Namespace+"-elsewhere", w.Credentials[0], "eu-frankfurt-1", w.Tenancies[0].Compartment(), w.OCI.URL())
	env.Create(t, account)

	reconciled(t, r, account)

	helpers.ExpectConditions(t, account, "Ready False RegionUnknown", "CredentialsValid True Ready",
		"CompartmentAccessible False RegionUnknown", "StraysAbsent Unknown Waiting", "Deleting False NotDeleting")
}

func TestARegionThatDoesNotExistHasNoAddress(t *testing.T) {
	g := NewWithT(t)
	s := &scope{account: &infrav1.OCIAccount{}}

	g.Expect(s.judge(context.Background(), &cloud.Error{Kind: cloud.Unavailable, Err: &net.DNSError{IsNotFound: true}})).To(Succeed())

	g.Expect(s.compartment.Reason).To(Equal(infrav1.RegionUnknownReason))
}

func TestAnUnreachableEndpoint(t *testing.T) {
	w, r := newWorld(t)
	helpers.Update(t, env, w.Accounts[0], func(a *infrav1.OCIAccount) { a.Spec.Endpoint = "http://127.0.0.1:1" })

	reconciled(t, r, w.Accounts[0])

	helpers.ExpectConditions(t, w.Accounts[0], "Ready False Unavailable", "CredentialsValid Unknown Unavailable",
		"CompartmentAccessible False Unavailable", "StraysAbsent Unknown Waiting", "Deleting False NotDeleting")
}

func TestADeletedAccountWaitsForThoseThatUseIt(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	account := w.Accounts[0]
	cluster := helpers.NewCluster(w.Namespace, "c1")
	env.Create(t, cluster)
	user := helpers.NewOCIMeshCluster(cluster, w.Tailnet.Name, []string{account.Name})
	machine := helpers.NewMachine(cluster, "m1")
	env.Create(t, user, machine)
	inside := helpers.NewOCIMeshMachine(machine)
	env.Create(t, inside)
	inside.Status.Placement = infrav1.Placement{Attempt: 1, Account: account.Name, AvailabilityDomain: "x", Shape: "VM.x"}
	g.Expect(env.Client.Status().Update(t.Context(), inside)).To(Succeed())
	reconciled(t, r, account)
	g.Expect(account.Status.Users).To(ConsistOf(infrav1.ObjectUser{Namespace: w.Namespace, Name: "c1"}))

	g.Expect(env.Client.Delete(t.Context(), account)).To(Succeed())
	reconciled(t, r, account)

	helpers.ExpectConditions(t, account, "Ready False InUse", "CredentialsValid True Ready", "CompartmentAccessible True Ready",
		"StraysAbsent Unknown Waiting", "Deleting True InUse")
	g.Expect(helpers.MessageOf(account, infrav1.DeletingCondition)).To(And(ContainSubstring(w.Namespace+"/c1"), ContainSubstring("1 OCIMeshMachines")))

	g.Expect(env.Client.Delete(t.Context(), user)).To(Succeed())
	reconciled(t, r, account)
	g.Expect(helpers.ConditionsOf(account)).To(ContainElement("Deleting True InUse"), "a machine is in it")

	g.Expect(env.Client.Delete(t.Context(), inside)).To(Succeed())
	_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(account)})
	g.Expect(err).NotTo(HaveOccurred())
	env.ExpectGone(t, account)
}

func TestAnAccountOfAnotherManagerIsLeftAlone(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	r.Options.WatchFilterValue = "mine"

	reconciled(t, r, w.Accounts[0])

	g.Expect(w.Accounts[0].Finalizers).To(BeEmpty())
	helpers.Update(t, env, w.Accounts[0], func(a *infrav1.OCIAccount) { a.Labels = map[string]string{clusterv1.WatchLabel: "mine"} })
	reconciled(t, r, w.Accounts[0])
	g.Expect(w.Accounts[0].Finalizers).NotTo(BeEmpty())
}

func TestAManagerNoticesAMendedSecretWithoutAPoll(t *testing.T) {
	g := NewWithT(t)
	w, _ := newWorld(t)
	changeSecret("fingerprint", "aa")(t, w)
	env.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
		r := &Reconciler{Client: mgr.GetClient(), Clients: w.Clients}
		return r.SetupWithManager(ctx, mgr, Options{PollInterval: time.Hour, WatchFilterValue: ""})
	})
	account := w.Accounts[0]
	ready := func(g Gomega) metav1.ConditionStatus {
		env.Reload(t, account)
		for _, condition := range account.Status.Conditions {
			if condition.Type == infrav1.ReadyCondition {
				return condition.Status
			}
		}
		return ""
	}
	g.Eventually(ready, 20*time.Second).Should(Equal(metav1.ConditionFalse))

	restoreSecret(t, w)

	g.Eventually(ready, 20*time.Second).Should(Equal(metav1.ConditionTrue))
}

func TestAManagerOfOneNamespaceSeesTheUsersInAll(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	elsewhere := helpers.NewCluster(env.Namespace(t, nil), "c1")
	env.Create(t, elsewhere)
	env.Create(t, helpers.NewOCIMeshCluster(elsewhere, w.Tailnet.Name, w.AccountNames()))
	helpers.Update(t, env, w.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.AllowedNamespaces.List = []string{w.Namespace, elsewhere.Namespace}
	})
	r.Client, r.Reader = client.NewNamespacedClient(env.Client, w.Namespace), env.Client
	r.Options.Namespace = w.Namespace

	reconciled(t, r, w.Accounts[0])

	g.Expect(w.Accounts[0].Status.Users).To(HaveLen(1), "else managers of two namespaces would overwrite each other for ever")
}

func TestOnlyWhatAccountsAClusterUsesWakesAnAccount(t *testing.T) {
	g := NewWithT(t)
	before := helpers.NewOCIMeshCluster(helpers.NewCluster("default", "c1"), "home", []string{"alice"})
	seen, more := before.DeepCopy(), before.DeepCopy()
	seen.Status.Conditions = []metav1.Condition{{Type: infrav1.ReadyCondition, Status: metav1.ConditionTrue}}
	more.Spec.Accounts = append(more.Spec.Accounts, infrav1.ClusterAccount{Name: "bob"})

	g.Expect(clusterMatters().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: seen})).To(BeFalse())
	g.Expect(clusterMatters().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: more})).To(BeTrue())
	g.Expect(clusterMatters().Delete(event.DeleteEvent{Object: before})).To(BeTrue())
}

func TestASecretThatCannotBeOwnedDoesNotSpoilTheAccount(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	direct, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	helpers.Update(t, env, w.Credentials[0], func(s *corev1.Secret) { s.Labels = map[string]string{access.MoveLabel: ""} })
	refusing := interceptor.NewClient(direct, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if object.GetObjectKind().GroupVersionKind().Kind == "Secret" {
				return errors.New("somebody was faster")
			}
			return c.Patch(ctx, object, patch, options...)
		},
	})
	r.Clients = access.New(access.Options{Client: refusing, Namespace: w.Credentials[0].Namespace})
	request := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(w.Accounts[0])}
	_, err = r.Reconcile(t.Context(), request)
	g.Expect(err).NotTo(HaveOccurred(), "the finalizer")

	_, err = r.Reconcile(t.Context(), request)

	g.Expect(err).To(MatchError(ContainSubstring("somebody was faster")))
	env.Reload(t, w.Accounts[0])
	g.Expect(helpers.ConditionsOf(w.Accounts[0])).To(ContainElement("Ready True Ready"))
}
