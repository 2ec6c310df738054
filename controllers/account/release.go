// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// named bounds how many users a message names.
const named = 5

// remove lets a deleted account go once nothing uses it: without the credentials, machines and
// networks could not be deleted.
func (r *Reconciler) remove(_ context.Context, s *scope) error {
	if s.account.DeletionTimestamp.IsZero() {
		return nil
	}
	if len(s.users) > 0 || s.machines > 0 {
		s.waitsFor = access.NewProblem(infrav1.InUseReason, "%s", inUse(s.users, s.machines))
		return nil
	}
	controllerutil.RemoveFinalizer(s.account, infrav1.OCIAccountFinalizer)
	r.Clients.ForgetAccount(s.account)
	if r.Pollers != nil {
		r.Pollers.Forget(s.account)
	}
	for _, times := range []*refreshes{&r.refreshed, &r.inventoried, &r.limited} {
		times.forget(s.account.UID)
	}
	r.strayed.Forget(s.account.UID)
	return nil
}

func inUse(users []infrav1.ObjectUser, machines int) string {
	var names []string
	for _, user := range users[:min(named, len(users))] {
		names = append(names, user.Namespace+"/"+user.Name)
	}
	if more := len(users) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	var parts []string
	if len(names) > 0 {
		parts = append(parts, "OCIMeshClusters "+strings.Join(names, ", "))
	}
	if machines > 0 {
		parts = append(parts, fmt.Sprintf("%d OCIMeshMachines", machines))
	}
	return "the account is still used by " + strings.Join(parts, " and ") + ": delete these, or take the account off their lists"
}
