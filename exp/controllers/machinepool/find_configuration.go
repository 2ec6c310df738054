// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// findConfiguration takes over the configuration that the pool launches from, if status has lost
// it: by a move, or a restore. Its name says what is in it and with which key. The Secret with the
// key itself stays in the namespace of the other manager, and is not needed before another
// configuration is made. A key that the tailnet does not take any more is not taken over.
func (r *Reconciler) findConfiguration(ctx context.Context, s *scope) error {
	status := &s.own.Status.Configuration
	if status.ID != "" || s.found == nil || s.found.ConfigurationID == "" {
		return nil
	}
	known, err := s.client.ListInstanceConfigurations(ctx, s.owner.Tags())
	if err != nil {
		return err
	}
	at := slices.IndexFunc(known, func(c oci.InstanceConfiguration) bool { return c.ID == s.found.ConfigurationID })
	if at < 0 {
		return nil
	}
	digest, keyID := s.contentOf(known[at])
	if digest == "" {
		return nil
	}
	key, usable, err := r.keyring(s).usable(ctx, keyID)
	if err != nil {
		return phases.In(infrav1.TailnetReadyCondition, err)
	}
	if usable {
		*status = expv1.InstanceConfigurationStatus{
			ID: known[at].ID, Digest: digest, KeyID: key.ID, KeyExpires: metav1.NewTime(key.Expires.UTC().Truncate(time.Second)),
			KeyTags: key.Tags,
		}
	}
	return nil
}

// usable is a key of the pool's that the tailnet still takes.
func (k *keyring) usable(ctx context.Context, id string) (tailnet.Key, bool, error) {
	if id == "" {
		return tailnet.Key{}, false, nil
	}
	keys, err := k.joins.KeysSince(ctx, k.spec.Description, time.Now())
	if err != nil {
		return tailnet.Key{}, false, err
	}
	at := slices.IndexFunc(keys, func(key tailnet.Key) bool { return key.ID == id })
	if at < 0 {
		return tailnet.Key{}, false, nil
	}
	return keys[at], true, nil
}
