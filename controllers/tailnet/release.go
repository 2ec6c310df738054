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

// maxNamed bounds how many users a message names.
const maxNamed = 5

// release lets a deleted tailnet go once no cluster uses it: without the credentials, devices and
// keys could not be deleted.
func (r *Reconciler) release(_ context.Context, s *scope) error {
	if len(s.users) > 0 {
		return access.NewProblem(infrav1.InUseReason,
			"The tailnet is still used by OCIMeshClusters %s: delete them first", namesOf(s.users))
	}
	controllerutil.RemoveFinalizer(s.tailnet, infrav1.TailnetFinalizer)
	r.Clients.ForgetTailnet(s.tailnet)
	r.lastChecks.forget(s.tailnet.UID)
	r.deviceWatch.Forget(s.tailnet.UID)
	r.keyWatch.Forget(s.tailnet.UID)
	s.Stop()
	return nil
}

func namesOf(users []infrav1.ObjectUser) string {
	var names []string
	for _, user := range users[:min(maxNamed, len(users))] {
		names = append(names, user.Namespace+"/"+user.Name)
	}
	if more := len(users) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}
