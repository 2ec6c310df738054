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
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/pools"
)

// maxNamed bounds how many users a message names.
const maxNamed = 5

// release lets a deleted account go once nothing uses it: without the credentials, machines and
// networks could not be deleted.
func (r *Reconciler) release(_ context.Context, s *scope) error {
	if len(s.pooled) > 0 {
		// Nothing watches pools: they are behind a feature gate.
		s.Requeue(s.Intervals.Retry)
	}
	if len(s.users) > 0 || s.machines > 0 || len(s.pooled) > 0 {
		return access.NewProblem(infrav1.InUseReason, "%s", inUse(s.users, s.machines, s.pooled))
	}
	controllerutil.RemoveFinalizer(s.account, infrav1.OCIAccountFinalizer)
	r.Clients.ForgetAccount(s.account)
	if r.Pollers != nil {
		r.Pollers.Forget(s.account)
	}
	for _, times := range []*timestamps{&r.domainsRead, &r.inventoried, &r.limitsRead, &r.limitsHit} {
		times.forget(s.account.UID)
	}
	r.strayWatch.Forget(s.account.UID)
	s.Stop()
	return nil
}

func inUse(users []infrav1.ObjectUser, machines int, pooled pools.Users) string {
	var names []string
	for _, user := range users[:min(maxNamed, len(users))] {
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
	if len(pooled) > 0 {
		parts = append(parts, pooled.String())
	}
	message := "The account is still used by " + strings.Join(parts, " and ") + ": delete them"
	if len(names) > 0 {
		message += ", or remove the account from the clusters' lists"
	}
	return message
}
