// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// recordAccounts writes down in which accounts networks, or the load balancer, are about to be
// made, before any is: whatever happens between a creation and the next write of the status, what
// was made is looked for until it is proven gone. The VCN of an account that is written down is the
// cluster's: one that the status has of before, the user's, is dropped from there first.
func (r *Reconciler) recordAccounts(ctx context.Context, s *scope) error {
	names := recorded(s.infra)
	for _, account := range s.accounts {
		managed := account.spec.Network.Managed != nil
		account.outdated = managed && !slices.Contains(names, account.name) && lastState(s.infra, account.name).network.VCNID != ""
		if account.usable() && !account.outdated && (managed || account.name == s.infra.LoadBalancerAccount()) {
			names = append(names, account.name)
		}
	}
	return r.record(ctx, s, names)
}

// recorded are the accounts that may have a network or a load balancer of the cluster.
func recorded(infra *infrav1.OCIMeshCluster) []string {
	text := infra.Annotations[infrav1.NetworkAccountsAnnotation]
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// record writes the accounts that may have a network of the cluster, at once if they have changed.
func (r *Reconciler) record(ctx context.Context, s *scope, names []string) error {
	slices.Sort(names)
	text := strings.Join(slices.Compact(names), ",")
	if text == s.infra.Annotations[infrav1.NetworkAccountsAnnotation] {
		return nil
	}
	// Copies are compared: what the phases left in the object is not for this write, and its answer
	// not for the object.
	before := s.infra.DeepCopy()
	if s.version != "" {
		before.ResourceVersion = s.version
	}
	after := before.DeepCopy()
	if text == "" {
		delete(after.Annotations, infrav1.NetworkAccountsAnnotation)
	} else {
		metav1.SetMetaDataAnnotation(&after.ObjectMeta, infrav1.NetworkAccountsAnnotation, text)
	}
	annotations := maps.Clone(after.Annotations)
	// With the lock, since the list is made from the one that was read: on an old copy, an account
	// would be lost.
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, after, lock); err != nil {
		return fmt.Errorf("recording the accounts that have networks: %w", err)
	}
	s.infra.Annotations, s.version = annotations, after.ResourceVersion
	return nil
}
