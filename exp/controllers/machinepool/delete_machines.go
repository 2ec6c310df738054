// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

// deleteMachines deletes the Machines of all instances and waits until their objects are gone. An
// object without a Machine is deleted itself.
func (r *Reconciler) deleteMachines(ctx context.Context, s *scope) error {
	if err := s.listMachines(ctx, r.Client); err != nil {
		return err
	}
	for i := range s.machines {
		object := &s.machines[i]
		machine := &clusterv1.Machine{}
		err := r.Client.Get(ctx, client.ObjectKeyFromObject(object), machine)
		switch {
		case err == nil && poolid.StandsFor(machine, object):
			err = r.Client.Delete(ctx, machine)
		case err == nil, apierrors.IsNotFound(err):
			err = r.Client.Delete(ctx, object)
		}
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting machine %s: %w", object.Name, err)
		}
	}
	if len(s.machines) > 0 && s.Deletion == nil {
		s.Deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for %d machines of the pool to be gone", len(s.machines))
	}
	if s.Deletion != nil {
		s.Stop()
		s.Requeue(s.Intervals.Progress)
	}
	return nil
}
