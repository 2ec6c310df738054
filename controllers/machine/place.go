// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
)

// place asks the scheduler and writes its decision before anything is made of it: a restart repeats
// the same launch and not another.
func (l launcher) place(ctx context.Context, s *scope) error {
	if s.launched() {
		return nil
	}
	if s.own.Status.Placement.Account != "" && !l.sets.refuse(ctx, s) && !l.finder.MayLeave(ctx, s.target(), s.key.Exists) {
		return nil
	}
	if err := l.choose(ctx, s); err != nil || s.Stopped() {
		return err
	}
	return l.saver.checkpoint(ctx, s)
}

// choose has the scheduler decide anew. It ends the pass if there is no place.
func (l launcher) choose(ctx context.Context, s *scope) error {
	placed, refusal, err := l.scheduler.Schedule(ctx, s.request(l.sets.leftOut(ctx, s)))
	switch {
	case errors.Is(err, scheduling.ErrBehind):
		s.unseen = true
		s.Stop()
		s.Requeue(time.Second)
		return nil
	case err != nil:
		return phases.In(infrav1.PlacedCondition, err)
	}
	s.exclusive = true
	s.own.Status.Placement, s.own.Status.FailureDomain = placed.Placement, placed.FailureDomain
	s.own.Status.Size = infrav1.MachineSizeStatus{}
	if refusal == nil {
		s.own.Status.Size = updates.WantedSize(s.own)
	}
	l.creations.decided(client.ObjectKeyFromObject(s.own), placed.Attempt)
	if refusal != nil {
		// The search for an instance found none and need not begin anew: nothing was launched.
		s.WaitFor(refusal.RetryAfter, infrav1.PlacedCondition, refusal.Reason, "%s", refusal.Message)
	}
	return nil
}

// chooseAnother is choose after a place was given up, and ends the pass: the launch is the next
// one's. None is to be repeated at the place given up, also if another cannot be chosen yet.
func (l launcher) chooseAnother(ctx context.Context, s *scope) error {
	err := l.choose(ctx, s)
	switch {
	case err != nil:
		s.own.Status.Placement, s.own.Status.FailureDomain = infrav1.Placement{}, ""
		s.own.Status.Size = infrav1.MachineSizeStatus{}
	case !s.Stopped():
		s.Stop()
		// The write of the decision brings the next pass; this is in case the watch is late.
		s.Requeue(time.Second)
	}
	return err
}

// request is the machine in need of a place.
func (s *scope) request(refusals []infrav1.Shortage) scheduling.Request {
	return scheduling.Request{
		Key: client.ObjectKeyFromObject(s.own), ResourceVersion: s.before.ResourceVersion, Identity: s.identity,
		Recorded: s.before.Status.Placement, Granted: s.own.Status.Size, Attempt: nextAttempt(s.own),
		Refusals: refusals,
		Labels:   s.machine.Labels, FailureDomain: s.machine.Spec.FailureDomain, Spec: s.own.Spec,
		Owner: ownerOf(s.machine), ControlPlanes: controlPlanesOf(s.cluster),
		Cluster: client.ObjectKeyFromObject(s.cluster), InfraCluster: s.infraCluster,
	}
}

// ownerOf is what rolls the machine out, in words; empty if nothing does.
func ownerOf(machine *clusterv1.Machine) string {
	if name := machine.Labels[clusterv1.MachineDeploymentNameLabel]; name != "" {
		return "MachineDeployment " + name
	}
	if owner := metav1.GetControllerOf(machine); owner != nil {
		return owner.Kind + " " + owner.Name
	}
	return ""
}

// controlPlanesOf is how many control planes the cluster is to have; 0 while it is not known.
func controlPlanesOf(cluster *clusterv1.Cluster) int {
	if cluster.Status.ControlPlane == nil {
		return 0
	}
	return int(ptr.Deref(cluster.Status.ControlPlane.DesiredReplicas, 0))
}

// nextAttempt counts on also after a placement given up for lack of room: a launch failed after OCI
// had accepted it must not be repeated under its retry token.
func nextAttempt(own *infrav1.OCIMeshMachine) int32 {
	var failures int32
	for _, shortage := range own.Status.Shortages {
		failures += shortage.Count
	}
	return max(own.Status.Placement.Attempt, failures) + 1
}

// sizeIn is what the machine asks of a shape.
func (s *scope) sizeIn(shape string) capacity.Size { return scheduling.SizeIn(s.own.Spec, shape) }
