// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package access gives controllers what they need to act in an account or a tailnet: the object if
// the namespace may use it, and a client built once for each version of its credentials. Every
// error is a Problem, with a reason for a condition.
package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci/session"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ociaccounts;tailnets,verbs=get;list;watch

// Options configure Clients.
type Options struct {
	// Client reads accounts, tailnets and namespaces, from a cache or not, and Secrets uncached.
	Client client.Client
	// Namespace is the manager's own, the only one in which it writes Secrets.
	Namespace string
	// WatchNamespace, if set, is the only one besides Namespace in which credentials may lie.
	WatchNamespace string
	// SecretMetadata, if not nil, reads the metadata of Secrets from a cache, such as the
	// manager's. A Secret is then read only when its version has changed, not on every call.
	SecretMetadata client.Reader
	// OCIMetrics counts calls to OCI; nil means that nobody does.
	OCIMetrics *oci.Metrics
	// Series receives the metrics of calls to tailnets, and drops those of accounts and tailnets
	// that are gone; nil means that there are none.
	Series *Series
	// Limits keep each account's trouble its own; zero values are the defaults.
	Limits oci.Limits
	// TailnetLimits do so for each tailnet.
	TailnetLimits tailnet.Limits
	// RequestTimeout bounds each call to OCI or a tailnet; 0 means 30 seconds.
	RequestTimeout time.Duration
	// StrangerInterval is how often an account or a tailnet is looked at for objects of namespaces
	// that it does not allow, all of them together; 10 seconds by default.
	StrangerInterval time.Duration
}

// Clients hands out accounts, tailnets and clients for them. It is safe for concurrent use; a
// process needs one.
type Clients struct {
	options   Options
	sessions  session.Cache
	tailnets  tailnet.Cache
	strangers turns
}

// New returns Clients with an empty cache.
func New(options Options) *Clients {
	if options.StrangerInterval <= 0 {
		options.StrangerInterval = 10 * time.Second
	}
	return &Clients{options: options}
}

// Account returns the OCIAccount if objects of the namespace may use it. Whether it is Ready is the
// caller's to judge. Problems: AccountNotFound, NamespaceNotAllowed.
func (c *Clients) Account(ctx context.Context, name, namespace string) (*infrav1.OCIAccount, error) {
	account := &infrav1.OCIAccount{}
	err := c.options.Client.Get(ctx, client.ObjectKey{Name: name}, account)
	if apierrors.IsNotFound(err) {
		return nil, NewProblem(infrav1.AccountNotFoundReason,
			"OCIAccount %s does not exist: create it, or remove it from the list of accounts", name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading OCIAccount %s: %w", name, err)
	}
	if err := c.allow(ctx, account.Spec.AllowedNamespaces, namespace, "OCIAccount "+name); err != nil {
		return nil, err
	}
	return account, nil
}

// Tailnet returns the Tailnet if objects of the namespace may use it. Whether it is Ready is the
// caller's to judge. Problems: TailnetNotFound, NamespaceNotAllowed.
func (c *Clients) Tailnet(ctx context.Context, name, namespace string) (*infrav1.Tailnet, error) {
	tn := &infrav1.Tailnet{}
	err := c.options.Client.Get(ctx, client.ObjectKey{Name: name}, tn)
	if apierrors.IsNotFound(err) {
		return nil, NewProblem(infrav1.TailnetNotFoundReason, "Tailnet %s does not exist: create it", name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading Tailnet %s: %w", name, err)
	}
	if err := c.allow(ctx, tn.Spec.AllowedNamespaces, namespace, "Tailnet "+name); err != nil {
		return nil, err
	}
	return tn, nil
}

// AccountOf returns the OCIAccount of something that exists, such as a "machine", whether or not
// its namespace may still use the account. Problems: AccountNotFound.
func (c *Clients) AccountOf(ctx context.Context, name, of string) (*infrav1.OCIAccount, error) {
	account := &infrav1.OCIAccount{}
	err := c.options.Client.Get(ctx, client.ObjectKey{Name: name}, account)
	switch {
	case apierrors.IsNotFound(err):
		return nil, NewProblem(infrav1.AccountNotFoundReason,
			"OCIAccount %s, which the %s is in, does not exist: create it again", name, of)
	case err != nil:
		return nil, fmt.Errorf("reading OCIAccount %s: %w", name, err)
	}
	return account, nil
}

// TailnetOf returns the Tailnet of something that exists, whether or not its namespace may still
// use the tailnet. Problems: TailnetNotFound.
func (c *Clients) TailnetOf(ctx context.Context, name string) (*infrav1.Tailnet, error) {
	tn := &infrav1.Tailnet{}
	err := c.options.Client.Get(ctx, client.ObjectKey{Name: name}, tn)
	switch {
	case apierrors.IsNotFound(err):
		return nil, NewProblem(infrav1.TailnetNotFoundReason, "Tailnet %s does not exist: create it again", name)
	case err != nil:
		return nil, fmt.Errorf("reading Tailnet %s: %w", name, err)
	}
	return tn, nil
}

// Tailnets returns all Tailnets that objects of the namespace may use.
func (c *Clients) Tailnets(ctx context.Context, namespace string) ([]infrav1.Tailnet, error) {
	all := &infrav1.TailnetList{}
	if err := c.options.Client.List(ctx, all); err != nil {
		return nil, fmt.Errorf("listing Tailnets: %w", err)
	}
	var allowed []infrav1.Tailnet
	for _, tn := range all.Items {
		if _, err := c.Tailnet(ctx, tn.Name, namespace); err == nil {
			allowed = append(allowed, tn)
		}
	}
	return allowed, nil
}

// MayUseAccount tells whether objects of the namespace may use the account.
func (c *Clients) MayUseAccount(ctx context.Context, account *infrav1.OCIAccount, namespace string) (bool, error) {
	return isAllowed(c.allow(ctx, account.Spec.AllowedNamespaces, namespace, "OCIAccount "+account.Name))
}

// MayUseTailnet tells whether objects of the namespace may use the tailnet.
func (c *Clients) MayUseTailnet(ctx context.Context, tn *infrav1.Tailnet, namespace string) (bool, error) {
	return isAllowed(c.allow(ctx, tn.Spec.AllowedNamespaces, namespace, "Tailnet "+tn.Name))
}

func isAllowed(err error) (bool, error) {
	var refused *Problem
	if errors.As(err, &refused) {
		return false, nil
	}
	return err == nil, err
}

// ForgetAccount lets go of the session and the metrics of an account that is gone.
func (c *Clients) ForgetAccount(account *infrav1.OCIAccount) {
	c.strangers.forget(account.UID)
	c.sessions.Forget(string(account.UID))
	c.options.Series.ForgetAccount(account.Name)
}

// ForgetTailnet lets go of the client and the metrics of a tailnet that is gone.
func (c *Clients) ForgetTailnet(tn *infrav1.Tailnet) {
	c.strangers.forget(tn.UID)
	c.tailnets.Forget(string(tn.UID))
	c.options.Series.ForgetTailnet(tn.Name)
}

func (c *Clients) allow(ctx context.Context, allowed infrav1.AllowedNamespaces, namespace, owner string) error {
	refusal := NewProblem(infrav1.NamespaceNotAllowedReason,
		"%s does not allow namespace %s: have its owner add the namespace to spec.allowedNamespaces", owner, namespace)
	if allowed.Selector == nil {
		if slices.Contains(allowed.List, namespace) {
			return nil
		}
		return refusal
	}
	selector, err := metav1.LabelSelectorAsSelector(allowed.Selector)
	if err != nil {
		refusal.Message = fmt.Sprintf("%s has a malformed spec.allowedNamespaces.selector: ask its owner to fix it", owner)
		refusal.Err = err
		return refusal
	}
	ns := &corev1.Namespace{}
	err = c.options.Client.Get(ctx, client.ObjectKey{Name: namespace}, ns)
	switch {
	case apierrors.IsNotFound(err):
		// Its last objects outlive it for a moment; they must hold nobody else up.
		return refusal
	case err != nil:
		return fmt.Errorf("reading namespace %s: %w", namespace, err)
	}
	if !selector.Matches(labels.Set(ns.Labels)) {
		return refusal
	}
	return nil
}
