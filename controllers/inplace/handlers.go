// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package inplace answers Cluster API's questions about updates in place: whether a change needs
// another machine, and how far an update is. It changes nothing itself, so any replica of the
// manager can answer: controllers/machine does what OCI is to do.
package inplace

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	runtimehooksv1 "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/inplace"
)

// Handlers answer Cluster API's hooks for updates in place.
type Handlers struct {
	// Client reads from the manager's cache.
	Client client.Reader
	// Progress is how often Cluster API asks about something of OCI's that is changing; 10 seconds
	// by default.
	Progress time.Duration
}

// CanUpdateMachine tells which differences of a control plane's machine the provider takes over.
// What it leaves out makes Cluster API replace the machine.
func (h *Handlers) CanUpdateMachine(
	ctx context.Context, request *runtimehooksv1.CanUpdateMachineRequest, response *runtimehooksv1.CanUpdateMachineResponse,
) {
	patch, err := decide("OCIMeshMachine", request.Current.InfrastructureMachine, request.Desired.InfrastructureMachine, "spec")
	if err != nil {
		refuse(response, err)
		return
	}
	if response.BootstrapConfigPatch, err = decideBootstrap(request); err != nil {
		refuse(response, err)
		return
	}
	response.InfrastructureMachinePatch = patch
	response.SetStatus(runtimehooksv1.ResponseStatusSuccess)
	ctrl.LoggerFrom(ctx).Info("Decided about an update in place", "Machine", klog.KObj(&request.Desired.Machine), "patch", string(patch.Patch))
}

// CanUpdateMachineSet does the same for the machines of a MachineSet, by their templates.
func (h *Handlers) CanUpdateMachineSet(
	ctx context.Context, request *runtimehooksv1.CanUpdateMachineSetRequest, response *runtimehooksv1.CanUpdateMachineSetResponse,
) {
	patch, err := decide("OCIMeshMachineTemplate", request.Current.InfrastructureMachineTemplate,
		request.Desired.InfrastructureMachineTemplate, "spec", "template", "spec")
	if err != nil {
		refuse(response, err)
		return
	}
	response.InfrastructureMachineTemplatePatch = patch
	response.SetStatus(runtimehooksv1.ResponseStatusSuccess)
	ctrl.LoggerFrom(ctx).Info("Decided about an update in place", "MachineSet", klog.KObj(&request.Desired.MachineSet), "patch", string(patch.Patch))
}

// decideBootstrap returns no patch for what is not kubeadm's.
func decideBootstrap(request *runtimehooksv1.CanUpdateMachineRequest) (runtimehooksv1.Patch, error) {
	group := bootstrapv1.GroupVersion.Group
	from, err := specOf(group, "KubeadmConfig", request.Current.BootstrapConfig, []string{"spec"})
	if err != nil || from == nil {
		return runtimehooksv1.Patch{}, err
	}
	to, err := specOf(group, "KubeadmConfig", request.Desired.BootstrapConfig, []string{"spec"})
	if err != nil || to == nil {
		return runtimehooksv1.Patch{}, err
	}
	return patchOf(inplace.Bootstrap("/spec", from, to))
}

// decide returns no patch for what is of another provider.
func decide(kind string, current, desired runtime.RawExtension, at ...string) (runtimehooksv1.Patch, error) {
	from, err := specOf(infrav1.GroupVersion.Group, kind, current, at)
	if err != nil || from == nil {
		return runtimehooksv1.Patch{}, err
	}
	to, err := specOf(infrav1.GroupVersion.Group, kind, desired, at)
	if err != nil || to == nil {
		return runtimehooksv1.Patch{}, err
	}
	pointer := ""
	for _, part := range at {
		pointer += "/" + part
	}
	operations, err := inplace.Infrastructure(pointer, from, to)
	if err != nil {
		return runtimehooksv1.Patch{}, err
	}
	return patchOf(operations)
}

func patchOf(operations []inplace.Operation) (runtimehooksv1.Patch, error) {
	if len(operations) == 0 {
		return runtimehooksv1.Patch{}, nil
	}
	text, err := json.Marshal(operations)
	return runtimehooksv1.Patch{PatchType: runtimehooksv1.JSONPatchType, Patch: text}, err
}

// specOf is nil for no object, and for one of another kind.
func specOf(group, kind string, raw runtime.RawExtension, at []string) (map[string]any, error) {
	if len(raw.Raw) == 0 {
		return nil, nil
	}
	object, err := objectOf(raw)
	if err != nil {
		return nil, err
	}
	if object.GroupVersionKind().GroupKind() != (schema.GroupKind{Group: group, Kind: kind}) {
		return nil, nil
	}
	spec, _, err := unstructured.NestedMap(object.Object, at...)
	return spec, err
}

func objectOf(raw runtime.RawExtension) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(raw.Raw, &object.Object); err != nil {
		return nil, fmt.Errorf("reading an object of the request: %w", err)
	}
	return object, nil
}

func refuse(response runtimehooksv1.ResponseObject, err error) {
	response.SetStatus(runtimehooksv1.ResponseStatusFailure)
	response.SetMessage(err.Error())
}
