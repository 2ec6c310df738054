// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// AddWorkerAccounts adds accounts that take no control planes to a generated OCIMeshCluster. Other
// objects stay as they are.
func AddWorkerAccounts(o *unstructured.Unstructured, names ...string) error {
	if o.GetKind() != "OCIMeshCluster" {
		return nil
	}
	accounts, _, err := unstructured.NestedSlice(o.Object, "spec", "accounts")
	if err != nil {
		return fmt.Errorf("read the generated cluster's accounts: %w", err)
	}
	for _, name := range names {
		accounts = append(accounts, map[string]any{"name": name, "controlPlane": false})
	}
	return unstructured.SetNestedSlice(o.Object, accounts, "spec", "accounts")
}

// ChangeTemplates gives control planes and workers changed templates, and returns their names,
// which end in the suffix.
func ChangeTemplates(
	ctx context.Context, c client.Client, kcp *controlplanev1.KubeadmControlPlane, deployment *clusterv1.MachineDeployment, suffix string,
	change func(*infrav1.OCIMeshMachineSpec),
) ([]string, error) {
	changed := kcp.DeepCopy()
	name := &changed.Spec.MachineTemplate.Spec.InfrastructureRef.Name
	if err := changeTemplate(ctx, c, kcp.Namespace, name, suffix, change); err != nil {
		return nil, err
	}
	if err := c.Patch(ctx, changed, client.MergeFrom(kcp)); err != nil {
		return nil, fmt.Errorf("change the KubeadmControlPlane's template: %w", err)
	}
	workers, err := ChangeWorkers(ctx, c, deployment, suffix, change)
	return []string{*name, workers}, err
}

// ChangeWorkers gives workers a changed template, and returns its name.
func ChangeWorkers(
	ctx context.Context, c client.Client, deployment *clusterv1.MachineDeployment, suffix string, change func(*infrav1.OCIMeshMachineSpec),
) (string, error) {
	changed := deployment.DeepCopy()
	name := &changed.Spec.Template.Spec.InfrastructureRef.Name
	if err := changeTemplate(ctx, c, deployment.Namespace, name, suffix, change); err != nil {
		return "", err
	}
	if err := c.Patch(ctx, changed, client.MergeFrom(deployment)); err != nil {
		return "", fmt.Errorf("change the MachineDeployment's template: %w", err)
	}
	return *name, nil
}

// changeTemplate makes a changed template beside the named one, and changes the name.
func changeTemplate(
	ctx context.Context, c client.Client, namespace string, name *string, suffix string, change func(*infrav1.OCIMeshMachineSpec),
) error {
	template := &infrav1.OCIMeshMachineTemplate{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: *name}, template); err != nil {
		return fmt.Errorf("read the template %s: %w", *name, err)
	}
	*name += "-" + suffix
	template.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: *name}
	change(&template.Spec.Template.Spec)
	if err := c.Create(ctx, template); err != nil {
		return fmt.Errorf("create the template %s: %w", *name, err)
	}
	return nil
}

// UpgradeControlPlane asks for another version of Kubernetes on control planes.
func UpgradeControlPlane(ctx context.Context, c client.Client, kcp *controlplanev1.KubeadmControlPlane, version string) error {
	changed := kcp.DeepCopy()
	changed.Spec.Version = version
	if err := c.Patch(ctx, changed, client.MergeFrom(kcp)); err != nil {
		return fmt.Errorf("change the KubeadmControlPlane's version: %w", err)
	}
	return nil
}

// UpgradeWorkers asks for another version of Kubernetes on workers, which must not be newer than
// the control planes'.
func UpgradeWorkers(ctx context.Context, c client.Client, deployment *clusterv1.MachineDeployment, version string) error {
	changed := deployment.DeepCopy()
	changed.Spec.Template.Spec.Version = version
	if err := c.Patch(ctx, changed, client.MergeFrom(deployment)); err != nil {
		return fmt.Errorf("change the MachineDeployment's version: %w", err)
	}
	return nil
}

// NotUpdated names a machine of the namespace that is not of one of the templates, or whose update
// is under way; it is empty when there is none. Machines of pools have no template.
func NotUpdated(ctx context.Context, c client.Client, namespace string, templates []string) (string, error) {
	infra, machines := &infrav1.OCIMeshMachineList{}, &clusterv1.MachineList{}
	for _, list := range []client.ObjectList{infra, machines} {
		if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return "", fmt.Errorf("look at the machines: %w", err)
		}
	}
	for _, own := range infra.Items {
		if from := own.Annotations[clusterv1.TemplateClonedFromNameAnnotation]; !slices.Contains(templates, from) {
			return fmt.Sprintf("%s to be of a new template, and not of %s", own.Name, from), nil
		}
	}
	for _, machine := range machines.Items {
		if machine.Spec.InfrastructureRef.Kind != "OCIMeshMachine" {
			continue
		}
		_, updating := machine.Annotations[clusterv1.UpdateInProgressAnnotation]
		if updating || !conditions.IsTrue(&machine, clusterv1.MachineUpToDateCondition) {
			return fmt.Sprintf("Machine %s to be updated: %s", machine.Name, conditions.GetMessage(&machine, clusterv1.MachineUpdatingCondition)), nil
		}
	}
	return "", nil
}
