// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

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

// remove lets a deleted tailnet go once no cluster uses it: without the credentials, devices and
// keys could not be deleted.
func (r *Reconciler) remove(_ context.Context, s *scope) error {
	if s.tailnet.DeletionTimestamp.IsZero() {
		return nil
	}
	if len(s.users) > 0 {
		s.waitsFor = access.NewProblem(infrav1.InUseReason,
			"the tailnet is still used by OCIMeshClusters %s: delete these first", list(s.users))
		return nil
	}
	controllerutil.RemoveFinalizer(s.tailnet, infrav1.TailnetFinalizer)
	r.Clients.ForgetTailnet(s.tailnet)
	r.passed.forget(s.tailnet.UID)
	r.strayed.Forget(s.tailnet.UID)
	r.strayedKeys.Forget(s.tailnet.UID)
	return nil
}

func list(users []infrav1.ObjectUser) string {
	var names []string
	for _, user := range users[:min(named, len(users))] {
		names = append(names, user.Namespace+"/"+user.Name)
	}
	if more := len(users) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}
