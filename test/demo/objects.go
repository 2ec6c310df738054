// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

const (
	// namespace is the cluster's, secrets that of the credentials.
	namespace   = metav1.NamespaceDefault
	secrets     = "capom-system"
	tailnetName = "mesh"
)

func newClient(config *rest.Config) (client.Client, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, clusterv1.AddToScheme, controlplanev1.AddToScheme, infrav1.AddToScheme,
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

// createAccounts does what an operator does once: a Secret and an OCIAccount
// for each account, a Secret and a Tailnet.
func (d *demo) createAccounts(ctx context.Context) error {
	objects := d.tailnetObjects()
	for _, a := range d.accounts {
		objects = append(objects, d.accountObjects(a)...)
	}
	var watched []conditions.Getter
	for _, o := range objects {
		if err := d.client.Create(ctx, o); err != nil {
			return fmt.Errorf("create %T %s: %w", o, o.GetName(), err)
		}
		if g, ok := o.(conditions.Getter); ok {
			watched = append(watched, g)
		}
	}
	return d.waitFor(ctx, readyTimeout, func(snapshot) string {
		for _, g := range watched {
			o := g.(client.Object)
			if err := d.client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
				return err.Error()
			}
			if !conditions.IsTrue(g, infrav1.ReadyCondition) {
				return fmt.Sprintf("%T %s to be Ready: %s", o, o.GetName(), message(g, infrav1.ReadyCondition))
			}
		}
		return ""
	})
}

func (d *demo) accountObjects(a *account) []client.Object {
	name := "oci-" + a.name
	return []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: secrets, Name: name},
			StringData: map[string]string{
				infrav1.CredentialsTenancyKey: a.credentials.TenancyOCID, infrav1.CredentialsUserKey: a.credentials.UserOCID,
				infrav1.CredentialsFingerprintKey: a.credentials.Fingerprint, infrav1.CredentialsPrivateKeyKey: a.credentials.PrivateKeyPEM,
			},
		},
		&infrav1.OCIAccount{
			ObjectMeta: metav1.ObjectMeta{Name: a.name},
			Spec: infrav1.OCIAccountSpec{
				Region: a.credentials.Region, CompartmentID: a.tenancy.Compartment(), Endpoint: d.oci.URL(),
				Credentials: infrav1.OCICredentials{
					Type: infrav1.UserPrincipal, SecretRef: infrav1.SecretReference{Namespace: secrets, Name: name},
				},
				AllowedNamespaces: infrav1.AllowedNamespaces{List: []string{namespace}},
			},
		},
	}
}

func (d *demo) tailnetObjects() []client.Object {
	return []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: secrets, Name: "tailnet"},
			StringData: map[string]string{
				infrav1.TailnetClientIDKey: d.oauth.ID, infrav1.TailnetClientSecretKey: d.oauth.Secret,
			},
		},
		&infrav1.Tailnet{
			ObjectMeta: metav1.ObjectMeta{Name: tailnetName},
			Spec: infrav1.TailnetSpec{
				APIURL: d.tailnet.URL(),
				Credentials: infrav1.TailnetCredentials{
					Type: infrav1.OAuthClient, SecretRef: infrav1.SecretReference{Namespace: secrets, Name: "tailnet"},
				},
				NodeTags: []string{nodeTag}, ControlPlaneTags: []string{controlPlaneTag}, VIPRange: vipRange,
				AllowedNamespaces: infrav1.AllowedNamespaces{List: []string{namespace}},
			},
		},
	}
}

func (d *demo) setWorkers(ctx context.Context, n int32) error {
	changed := d.last.deployment.DeepCopy()
	changed.Spec.Replicas = ptr.To(n)
	if err := d.client.Patch(ctx, changed, client.MergeFrom(d.last.deployment)); err != nil {
		return fmt.Errorf("scale the MachineDeployment: %w", err)
	}
	return nil
}

func (d *demo) setControlPlaneVersion(ctx context.Context, version string) error {
	changed := d.last.controlPlane.DeepCopy()
	changed.Spec.Version = version
	if err := d.client.Patch(ctx, changed, client.MergeFrom(d.last.controlPlane)); err != nil {
		return fmt.Errorf("change the KubeadmControlPlane's version: %w", err)
	}
	return nil
}

func (d *demo) startDeletion(ctx context.Context) error {
	if err := d.client.Delete(ctx, d.last.cluster); err != nil {
		return fmt.Errorf("delete the Cluster: %w", err)
	}
	return nil
}

// deleteRest deletes what the garbage collector would, if one ran here, and
// what the operator made.
func (d *demo) deleteRest(ctx context.Context) error {
	rest := d.applied
	for _, a := range d.accounts {
		rest = append(rest, &infrav1.OCIAccount{ObjectMeta: metav1.ObjectMeta{Name: a.name}})
	}
	rest = append(rest, &infrav1.Tailnet{ObjectMeta: metav1.ObjectMeta{Name: tailnetName}})
	var errs []error
	for _, o := range rest {
		errs = append(errs, client.IgnoreNotFound(d.client.Delete(ctx, o)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("delete accounts and templates: %w", err)
	}
	return d.waitFor(ctx, deleteTimeout, func(snapshot) string {
		for _, o := range rest {
			if err := d.client.Get(ctx, client.ObjectKeyFromObject(o), o); !apierrors.IsNotFound(err) {
				return fmt.Sprintf("%s %s to be gone", o.GetObjectKind().GroupVersionKind().Kind, o.GetName())
			}
		}
		return ""
	})
}
