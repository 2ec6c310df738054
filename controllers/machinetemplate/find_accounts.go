// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// findAccounts finds who may be asked for the shape.
func (r *Reconciler) findAccounts(ctx context.Context, s *scope) (err error) {
	s.accounts, err = r.inReach(ctx, s.template)
	if err == nil && len(s.accounts) == 0 {
		return access.NewProblem(infrav1.NoAccountReason,
			"No ready OCIAccount allows namespace %s and fits spec.template.spec.accounts, so the size of shape %s is unknown: make one ready",
			s.template.Namespace, s.wanted().Name)
	}
	return err
}

// inReach lists the ready accounts that machines of the template may be in, by name.
func (r *Reconciler) inReach(ctx context.Context, template *infrav1.OCIMeshMachineTemplate) ([]infrav1.OCIAccount, error) {
	all := &infrav1.OCIAccountList{}
	selection := template.Spec.Template.Spec.Accounts
	var options []client.ListOption
	if selection.Selector != nil {
		selector, err := metav1.LabelSelectorAsSelector(selection.Selector)
		if err != nil {
			return nil, access.NewProblem(infrav1.NoAccountReason, "The selector of spec.template.spec.accounts is malformed: %s", err)
		}
		options = append(options, client.MatchingLabelsSelector{Selector: selector})
	}
	if err := r.Client.List(ctx, all, options...); err != nil {
		return nil, fmt.Errorf("listing OCIAccounts: %w", err)
	}
	var reachable []infrav1.OCIAccount
	for _, account := range all.Items {
		if !conditions.IsTrue(&account, infrav1.ReadyCondition) ||
			(len(selection.Names) > 0 && !slices.Contains(selection.Names, account.Name)) {
			continue
		}
		_, err := r.Access.Account(ctx, account.Name, template.Namespace)
		var refused *access.Problem
		switch {
		case err == nil:
			reachable = append(reachable, account)
		case !errors.As(err, &refused):
			return nil, err
		}
	}
	return reachable, nil
}
