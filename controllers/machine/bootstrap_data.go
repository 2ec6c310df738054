// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/userdata"
)

// bootstrapData reads the bootstrap provider's data and tries to render it: no key is made for data
// unfit for a launch. A machine whose user data has no room for agents of the node goes without.
func (r *Reconciler) bootstrapData(ctx context.Context, s *scope) error {
	if s.launched() {
		return nil
	}
	bootstrap, absent, err := r.launcher().requests.bootstrap(ctx, s)
	if err != nil {
		return err
	}
	s.bootstrap = bootstrap
	if !s.keepAbsent(absent) {
		return nil
	}
	// The write of the decision brings the next pass, which launches.
	if now := userdata.Absent(s.own); len(now) > 0 && s.recorder != nil {
		s.recorder.Eventf(s.own, nil, corev1.EventTypeWarning, infrav1.NoRoomForAgentReason, "Launch", "%s", userdata.AgentsComplete(now).Message)
	}
	s.Stop()
	s.Requeue(time.Second)
	return nil
}

// keepAbsent keeps what the node goes without, and tells whether that is news. Whether it has the
// agent for updates is decided once: what was said of that is kept.
func (s *scope) keepAbsent(absent []cloudinit.Absence) (news bool) {
	isUpdate := func(a cloudinit.Absence) bool { return a.Agent == cloudinit.UpdateAgent }
	switch at := slices.IndexFunc(userdata.Absent(s.own), isUpdate); {
	case slices.ContainsFunc(absent, isUpdate):
		delete(s.own.Annotations, infrav1.NodeAgentAnnotation)
	case at >= 0 && !updates.HasAgent(s.own):
		absent = slices.Insert(absent, 0, userdata.Absent(s.own)[at])
	}
	return userdata.KeepAbsent(s.own, absent)
}
