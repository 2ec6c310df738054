// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// SecretsNamespace is where the Secrets with credentials are.
const SecretsNamespace = "capom-system"

// NewClient returns a client with Cluster API's types and ours.
func NewClient(config *rest.Config) (client.Client, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, clusterv1.AddToScheme, controlplanev1.AddToScheme, bootstrapv1.AddToScheme, infrav1.AddToScheme,
		expv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("set up API types: %w", err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("make a client of the management cluster: %w", err)
	}
	return c, nil
}

// Account is one simulated tenancy and its OCIAccount.
type Account struct {
	Name        string
	Tenancy     *sim.Tenancy
	Credentials sim.Credentials
	// AlwaysFree keeps machines within what Oracle gives for nothing.
	AlwaysFree bool
}

// NewAccount describes a tenancy with a user of its compartment, where other people have things
// too. The tenancy can be changed until a simulator is made of it.
func NewAccount(name, region string) (*Account, error) {
	tenancy := sim.NewTenancy(name)
	tenancy.Region, tenancy.Inhabited = region, true
	credentials, err := tenancy.NewUser(tenancy.Compartment())
	if err != nil {
		return nil, err
	}
	return &Account{Name: name, Tenancy: tenancy, Credentials: credentials}, nil
}

// NewFreeAccount describes a tenancy with no more than Oracle gives for nothing, and with nothing
// of other people's, for which there is no room.
func NewFreeAccount(name, region string) (*Account, error) {
	account, err := NewAccount(name, region)
	if err != nil {
		return nil, err
	}
	account.AlwaysFree, account.Tenancy.Inhabited = true, false
	account.Tenancy.Limits = map[string]int64{
		"standard-a1-core-count": 2, "standard-a1-memory-count": 12, "total-storage-gb": 200,
	}
	return account, nil
}

// Tenancies are the accounts' tenancies, for a simulator.
func Tenancies(accounts []*Account) []*sim.Tenancy {
	tenancies := make([]*sim.Tenancy, 0, len(accounts))
	for _, a := range accounts {
		tenancies = append(tenancies, a.Tenancy)
	}
	return tenancies
}

// Objects are the account's Secret and its OCIAccount, with the API at an endpoint, for clusters of
// some namespaces.
func (a *Account) Objects(endpoint string, allowed infrav1.AllowedNamespaces) []client.Object {
	name := "oci-" + a.Name
	var budget infrav1.AccountBudget
	if a.AlwaysFree {
		budget.AlwaysFree = &a.AlwaysFree
	}
	return []client.Object{
		&corev1.Secret{
			ObjectMeta: credentialsMeta(name),
			StringData: map[string]string{
				infrav1.CredentialsTenancyKey: a.Credentials.TenancyOCID, infrav1.CredentialsUserKey: a.Credentials.UserOCID,
				infrav1.CredentialsFingerprintKey: a.Credentials.Fingerprint, infrav1.CredentialsPrivateKeyKey: a.Credentials.PrivateKeyPEM,
			},
		},
		&infrav1.OCIAccount{
			ObjectMeta: metav1.ObjectMeta{Name: a.Name},
			Spec: infrav1.OCIAccountSpec{
				Region: a.Credentials.Region, CompartmentID: a.Tenancy.Compartment(), Endpoint: endpoint,
				Credentials: infrav1.OCICredentials{
					Type: infrav1.UserPrincipal, SecretRef: infrav1.SecretReference{Namespace: SecretsNamespace, Name: name},
				},
				AllowedNamespaces: allowed, Budget: budget,
			},
		},
	}
}

// credentialsMeta has clusterctl's label: "clusterctl move" leaves a Secret without it behind.
func credentialsMeta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: SecretsNamespace, Name: name, Labels: map[string]string{"clusterctl.cluster.x-k8s.io/move": ""},
	}
}

// TailnetObjects are a Tailnet of the name and its Secret.
func TailnetObjects(name string, credentials infrav1.TailnetCredentialsType, secret map[string]string, spec infrav1.TailnetSpec) []client.Object {
	spec.Credentials = infrav1.TailnetCredentials{
		Type: credentials, SecretRef: infrav1.SecretReference{Namespace: SecretsNamespace, Name: "tailnet-" + name},
	}
	return []client.Object{
		&corev1.Secret{ObjectMeta: credentialsMeta("tailnet-" + name), StringData: secret},
		&infrav1.Tailnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec},
	}
}

// NotReady names the objects that are not Ready, and why; it is empty when all objects with
// conditions are Ready.
func NotReady(objects []client.Object) string {
	for _, o := range objects {
		if g, ok := o.(conditions.Getter); ok && !conditions.IsTrue(g, infrav1.ReadyCondition) {
			return fmt.Sprintf("%T %s to be Ready: %s", o, o.GetName(), conditions.GetMessage(g, infrav1.ReadyCondition))
		}
	}
	return ""
}
