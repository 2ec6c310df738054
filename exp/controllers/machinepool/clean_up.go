// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// cleanUp deletes the pool's former configurations and revokes the keys with nobody left to join. A
// configuration is the pool's by its tags, never by its name: pool-1's name begins pool-10's. An
// instance launched with the last key may be about to join with it: old keys stay until all have.
func (r *Reconciler) cleanUp(ctx context.Context, s *scope) error {
	status := &s.own.Status.Configuration
	if s.idle() {
		return s.dropAllKeys(ctx, r.Client, r.keyring(s))
	}
	if s.found.ConfigurationID != status.ID || equality.Semantic.DeepEqual(*status, s.configurationBefore) && conditions.IsTrue(s.own, infrav1.ReadyCondition) {
		return nil
	}
	if err := s.deleteConfigurationsBut(ctx, status.ID); err != nil {
		return err
	}
	for i := range s.machines {
		machine := &s.machines[i]
		if machine.DeletionTimestamp.IsZero() && !machine.Status.Initialization.IsProvisioned() {
			return nil
		}
	}
	if len(s.live) < s.granted {
		return nil
	}
	return r.keyring(s).revokeBut(ctx, status.KeyID)
}

// deleteConfigurationsBut deletes the pool's instance configurations but one.
func (s *scope) deleteConfigurationsBut(ctx context.Context, current string) error {
	known, err := s.client.ListInstanceConfigurations(ctx, s.owner.Tags())
	if err != nil {
		return err
	}
	for _, old := range known {
		proof, proven := s.owner.Tagged(old.ID, old.Tags)
		if !proven || old.ID == current {
			continue
		}
		err := s.client.DeleteInstanceConfiguration(ctx, proof)
		if err != nil && !cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
			return err
		}
	}
	return nil
}

// dropAllKeys leaves a pool at rest at size 0 without a usable key. The next instance's is made
// with its configuration: the present one is given up before its key is, so a process begun in
// between launches nothing from it. The key's identifier stays until the key is revoked: some
// servers know no other proof.
func (s *scope) dropAllKeys(ctx context.Context, c client.Client, ring *keyring) error {
	status := &s.own.Status.Configuration
	if status.KeyID == "" {
		return nil
	}
	if status.Digest != "" {
		given := s.own.DeepCopy()
		given.Status.Configuration.Digest = ""
		if err := c.Status().Patch(ctx, given, client.MergeFrom(s.own)); err != nil {
			return fmt.Errorf("giving the instance configuration up: %w", err)
		}
		status.Digest = ""
	}
	if err := ring.DeleteSecret(ctx); err != nil {
		return err
	}
	if err := ring.end(ctx, s); err != nil {
		return err
	}
	status.KeyID, status.KeyExpires, status.KeyTags = "", metav1.Time{}, nil
	return nil
}
