// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// poolSizes are the machine pool's sizes, one after the other. It goes with the cluster.
var poolSizes = []int{2, 3, 1}

// resizePool adds the machine pool of the named flavor to the cluster, and changes its size.
func (d *demo) resizePool(ctx context.Context) error {
	if err := d.createPool(ctx); err != nil {
		return err
	}
	before := 0
	for i, size := range poolSizes {
		d.pooled += max(0, size-before)
		before = size
		if i > 0 {
			changed := d.last.Pool.DeepCopy()
			changed.Spec.Replicas = ptr.To(int32(size))
			if err := d.client.Patch(ctx, changed, client.MergeFrom(d.last.Pool)); err != nil {
				return fmt.Errorf("scale the MachinePool: %w", err)
			}
		}
		if err := d.waitFor(ctx, scaleTimeout, func(s watch.Snapshot) string { return s.PoolComplete(size) }); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) createPool(ctx context.Context) error {
	dir, err := emptyFolder(d.dir, "pool")
	if err != nil {
		return err
	}
	// The pool is in the first; the flavor wants the cluster's accounts as well.
	generation := d.generation(slices.Concat(paidAccounts, freeAccounts), "OCIMESH_WORKER_SHAPE="+paidShape)
	generation.Dir, generation.Flavor, generation.Workers = dir, "machine-pool", poolSizes[0]
	objects, err := user.Generate(ctx, generation)
	if err != nil {
		return err
	}
	for _, o := range objects {
		switch o.GetKind() {
		case "MachinePool", "KubeadmConfig", "OCIMeshMachinePool":
			if err := user.Create(ctx, d.client, []client.Object{o}); err != nil {
				return err
			}
			d.applied = append(d.applied, o)
		}
	}
	return nil
}
