// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const edgeNamespace = "edge"

// changeBesideEdge has the second cluster made while the first one's machines are changed: Cluster
// API tries every half minute whether the API server of a new cluster answers.
func (d *demo) changeBesideEdge(ctx context.Context) error {
	if err := d.createEdge(ctx); err != nil {
		return err
	}
	return d.changeInPlace(ctx)
}

// scaleEdge scales the control plane of a cluster with its API server behind an OCI network load
// balancer instead of an address in the tailnet: its control planes are in one account, its worker
// in another.
func (d *demo) scaleEdge(ctx context.Context) error {
	if err := d.awaitEdge(ctx, 1); err != nil {
		return err
	}
	changed := d.edge.ControlPlane.DeepCopy()
	changed.Spec.Replicas = ptr.To[int32](controlPlanes)
	if err := d.client.Patch(ctx, changed, client.MergeFrom(d.edge.ControlPlane)); err != nil {
		return fmt.Errorf("scale the KubeadmControlPlane: %w", err)
	}
	return nil
}

// awaitEdge waits until the second cluster has so many control planes, and all else that it should.
func (d *demo) awaitEdge(ctx context.Context, controlPlanes int) error {
	first := d.last
	defer func() { d.last, d.edge = first, d.last }()
	return d.waitIn(ctx, edgeNamespace, createTimeout, func(s watch.Snapshot) string { return s.Complete(controlPlanes, 1, newVersion) })
}

func (d *demo) createEdge(ctx context.Context) error {
	dir, err := emptyFolder(d.dir, edgeNamespace)
	if err != nil {
		return err
	}
	if err := d.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: edgeNamespace}}); err != nil {
		return fmt.Errorf("create the second cluster's namespace: %w", err)
	}
	generation := d.generation(paidAccounts, "OCIMESH_WORKER_SHAPE="+paidShape)
	generation.Dir, generation.Name, generation.Namespace, generation.Flavor = dir, "edge", edgeNamespace, "network-load-balancer"
	generation.ControlPlanes, generation.Workers, generation.Version = 1, 1, newVersion
	objects, err := user.Generate(ctx, generation)
	if err != nil {
		return err
	}
	for _, o := range objects {
		d.applied = append(d.applied, o)
	}
	return user.Create(ctx, d.client, objects)
}
