// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// recoverStatus is for the deletion of a machine without a recorded placement. It was never
// launched, unless status was lost. So the search covers the answering accounts; a silent one holds
// the deletion up only if a key or a providerID hints at an instance. A found instance is recorded,
// and ended by the phases after this one.
func (r remover) recoverStatus(ctx context.Context, s *scope) error {
	if s.own.Status.Placement.Account != "" {
		return nil
	}
	if err := s.key.Load(ctx); err != nil {
		return err
	}
	finder, target := r.finder, s.target()
	candidates, err := finder.Candidates(ctx, target)
	if err != nil {
		return access.NotProvenGone(err)
	}
	id := cloud.InstanceIDOf(s.own.Spec.ProviderID)
	if len(candidates) == 0 && id != "" {
		return access.NotProvenGone(access.NewProblem(infrav1.AccountNotFoundReason,
			"No OCIAccount is left that may hold instance %s: create its account again", id))
	}
	var silent error
	for _, c := range candidates {
		if !c.IsReady() && id == "" && !s.statusWasLost() {
			continue
		}
		if _, err := finder.InstancesOf(target, c); err != nil {
			silent = fmt.Errorf("account %s: %w", c.Name, err)
			continue
		}
		if found, ok := finder.LastKnown(target, c.OCIAccount); ok {
			ctrl.LoggerFrom(ctx).Info("Found the machine's instance again", "instance", found.ID, "OCIAccount", klog.KRef("", found.Account.Name))
			s.recordInstance(found)
			return nil
		}
	}
	if silent != nil {
		return access.NotProvenGone(silent)
	}
	if id != "" {
		ctrl.LoggerFrom(ctx).Info("No account has an instance with the machine's tags; what providerID names is left alone", "instance", id)
	}
	return nil
}
