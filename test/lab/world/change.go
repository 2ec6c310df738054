// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// SetWorkers scales the MachineDeployment; it does not wait.
func (c *Cluster) SetWorkers(ctx context.Context, n int) error {
	s, err := c.Snapshot(ctx)
	if err != nil {
		return err
	}
	if s.Deployment == nil {
		return errors.New("the cluster has no MachineDeployment")
	}
	changed := s.Deployment.DeepCopy()
	changed.Spec.Replicas = ptr.To(int32(n))
	if err := c.world.Client.Patch(ctx, changed, client.MergeFrom(s.Deployment)); err != nil {
		return fmt.Errorf("scale the MachineDeployment: %w", err)
	}
	c.Workers = n
	return nil
}

// SetUnhealthyTimeout changes the MachineHealthChecks' time until something is done about a machine
// without a ready node. Without names it is all of them.
func (c *Cluster) SetUnhealthyTimeout(ctx context.Context, timeout time.Duration, names ...string) error {
	checks := &clusterv1.MachineHealthCheckList{}
	if err := c.world.Client.List(ctx, checks, client.InNamespace(c.Name)); err != nil {
		return fmt.Errorf("list the MachineHealthChecks: %w", err)
	}
	for i := range checks.Items {
		check := &checks.Items[i]
		if len(names) > 0 && !slices.Contains(names, check.Name) {
			continue
		}
		before := check.DeepCopy()
		for j := range check.Spec.Checks.UnhealthyNodeConditions {
			check.Spec.Checks.UnhealthyNodeConditions[j].TimeoutSeconds = ptr.To(int32(timeout.Seconds()))
		}
		if err := c.world.Client.Patch(ctx, check, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("change MachineHealthCheck %s: %w", check.Name, err)
		}
	}
	return nil
}

// SetRepairs changes what is tried with an unhealthy machine before it is replaced.
func (c *Cluster) SetRepairs(ctx context.Context, steps ...infrav1.RemediationStep) error {
	templates := &infrav1.OCIMeshRemediationTemplateList{}
	if err := c.world.Client.List(ctx, templates, client.InNamespace(c.Name)); err != nil {
		return fmt.Errorf("list the OCIMeshRemediationTemplates: %w", err)
	}
	for i := range templates.Items {
		template := &templates.Items[i]
		before := template.DeepCopy()
		template.Spec.Template.Spec.Steps = steps
		if err := c.world.Client.Patch(ctx, template, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("change OCIMeshRemediationTemplate %s: %w", template.Name, err)
		}
	}
	return nil
}

// DeleteMachine deletes a Machine, for its owner to replace; it does not wait.
func (c *Cluster) DeleteMachine(ctx context.Context, m watch.Machine) error {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("cluster.x-k8s.io/v1beta2")
	object.SetKind("Machine")
	object.SetNamespace(c.Name)
	object.SetName(m.Name)
	return client.IgnoreNotFound(c.world.Client.Delete(ctx, object))
}
