// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/clouds"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	namespace   = metav1.NamespaceDefault
	clusterName = "demo"
)

// createAccounts plays the operator's one-time part: a Secret and an OCIAccount for each account, a
// Secret and a Tailnet.
func (d *demo) createAccounts(ctx context.Context) error {
	objects := d.clouds.Objects(infrav1.AllowedNamespaces{List: []string{namespace, edgeNamespace}})
	if err := user.Create(ctx, d.client, objects); err != nil {
		return err
	}
	return d.waitFor(ctx, readyTimeout, func(watch.Snapshot) string {
		for _, o := range objects {
			if err := d.client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
				return err.Error()
			}
		}
		return user.NotReady(objects)
	})
}

// generation is the request to clusterctl for a cluster in some accounts.
func (d *demo) generation(accounts []string, variables ...string) user.Generation {
	variables = append(variables, "OCIMESH_TAILNET="+clouds.TailnetName,
		"OCIMESH_NODE_STARTUP_TIMEOUT=180", "OCIMESH_NODE_UNHEALTHY_TIMEOUT=5")
	for i, name := range accounts {
		variables = append(variables, fmt.Sprintf("OCIMESH_ACCOUNT_%d=%s", i+1, name))
	}
	return user.Generation{
		Clusterctl: d.binaries.Clusterctl, Kubeconfig: d.mgmt.Kubeconfig, Release: d.release, Dir: d.dir,
		Name: clusterName, Namespace: namespace, Version: oldVersion, ControlPlanes: controlPlanes, Workers: workers,
		Environment: variables,
	}
}

// applyTemplate has clusterctl generate the cluster, and creates its objects.
func (d *demo) applyTemplate(ctx context.Context) error {
	generation := d.generation(freeAccounts,
		fmt.Sprintf("OCIMESH_CONTROL_PLANE_MEMORY_GB=%d", lessMemory), fmt.Sprintf("OCIMESH_WORKER_MEMORY_GB=%d", lessMemory))
	generation.Flavor = "always-free"
	objects, err := user.Generate(ctx, generation)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := user.AddWorkerAccounts(o, workerAccounts...); err != nil {
			return err
		}
		d.applied = append(d.applied, o)
	}
	return user.Create(ctx, d.client, objects)
}

func (d *demo) setWorkers(ctx context.Context, n int32) error {
	changed := d.last.Deployment.DeepCopy()
	changed.Spec.Replicas = ptr.To(n)
	if err := d.client.Patch(ctx, changed, client.MergeFrom(d.last.Deployment)); err != nil {
		return fmt.Errorf("scale the MachineDeployment: %w", err)
	}
	return nil
}

// deleteRest deletes the objects left to a garbage collector, absent here, and the operator's own.
func (d *demo) deleteRest(ctx context.Context) error {
	rest := d.applied
	for _, a := range d.accounts {
		rest = append(rest, &infrav1.OCIAccount{ObjectMeta: metav1.ObjectMeta{Name: a.Name}})
	}
	rest = append(rest, &infrav1.Tailnet{ObjectMeta: metav1.ObjectMeta{Name: clouds.TailnetName}})
	var errs []error
	for _, o := range rest {
		errs = append(errs, client.IgnoreNotFound(d.client.Delete(ctx, o)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("delete accounts and templates: %w", err)
	}
	return d.waitFor(ctx, deleteTimeout, func(watch.Snapshot) string {
		for _, o := range rest {
			if err := d.client.Get(ctx, client.ObjectKeyFromObject(o), o); !apierrors.IsNotFound(err) {
				return fmt.Sprintf("%s %s to be gone", o.GetObjectKind().GroupVersionKind().Kind, o.GetName())
			}
		}
		return ""
	})
}
