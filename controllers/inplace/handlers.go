// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package inplace answers Cluster API's questions about updates in place: whether a change needs
// another machine, and how far an update is. It changes nothing itself, so any replica of the
// manager can answer: machines' own controller does it, with package updates.
package inplace

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	runtimehooksv1 "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"
	"sigs.k8s.io/cluster-api/util/labels/format"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

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
	machine := &request.Desired.Machine
	answer, err := decide(question{
		kind: "OCIMeshMachine", at: []string{"spec"},
		current: request.Current.InfrastructureMachine, desired: request.Desired.InfrastructureMachine,
		bootstrap: []runtime.RawExtension{request.Current.BootstrapConfig, request.Desired.BootstrapConfig},
		from:      request.Current.Machine.Spec.Version, to: machine.Spec.Version,
		agents: func() (bool, error) { return h.hasAgent(ctx, machine.Namespace, machine.Spec.InfrastructureRef.Name) },
	})
	if err != nil {
		refuse(response, err)
		return
	}
	if response.BootstrapConfigPatch, err = decideBootstrap(request); err != nil {
		refuse(response, err)
		return
	}
	response.MachinePatch, response.InfrastructureMachinePatch = answer.machine, answer.infrastructure
	response.SetStatus(runtimehooksv1.ResponseStatusSuccess)
	ctrl.LoggerFrom(ctx).Info("Decided about an update in place", "Machine", klog.KObj(machine),
		"machinePatch", string(answer.machine.Patch), "patch", string(answer.infrastructure.Patch), "reason", answer.reason)
}

// CanUpdateMachineSet does the same for the machines of a MachineSet, by their templates.
func (h *Handlers) CanUpdateMachineSet(
	ctx context.Context, request *runtimehooksv1.CanUpdateMachineSetRequest, response *runtimehooksv1.CanUpdateMachineSetResponse,
) {
	set := &request.Current.MachineSet
	answer, err := decide(question{
		kind: "OCIMeshMachineTemplate", at: []string{"spec", "template", "spec"},
		current: request.Current.InfrastructureMachineTemplate, desired: request.Desired.InfrastructureMachineTemplate,
		bootstrap: []runtime.RawExtension{request.Current.BootstrapConfigTemplate, request.Desired.BootstrapConfigTemplate},
		from:      set.Spec.Template.Spec.Version, to: request.Desired.MachineSet.Spec.Template.Spec.Version,
		agents: func() (bool, error) { return h.allHaveAgents(ctx, set) },
	})
	if err != nil {
		refuse(response, err)
		return
	}
	response.MachineSetPatch, response.InfrastructureMachineTemplatePatch = answer.machine, answer.infrastructure
	response.SetStatus(runtimehooksv1.ResponseStatusSuccess)
	ctrl.LoggerFrom(ctx).Info("Decided about an update in place", "MachineSet", klog.KObj(set),
		"machinePatch", string(answer.machine.Patch), "patch", string(answer.infrastructure.Patch), "reason", answer.reason)
}

// hasAgent tells whether a machine's node has the agent for versions. Nobody knows before the
// machine's first pass, and an error has Cluster API ask again: "no" would replace the machine, or
// all machines of its MachineSet, for which Cluster API keeps the answer.
func (h *Handlers) hasAgent(ctx context.Context, namespace, name string) (bool, error) {
	own := &infrav1.OCIMeshMachine{}
	if err := h.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, own); err != nil {
		return false, fmt.Errorf("reading OCIMeshMachine %s: %w", name, err)
	}
	if !controllerutil.ContainsFinalizer(own, infrav1.OCIMeshMachineFinalizer) {
		return false, fmt.Errorf("OCIMeshMachine %s is new: the provider has not decided yet whether its node gets the agent for versions", name)
	}
	_, has := own.Annotations[infrav1.NodeAgentAnnotation]
	return has, nil
}

// allHaveAgents tells it of all machines of a MachineSet: Cluster API asks once for all of them.
func (h *Handlers) allHaveAgents(ctx context.Context, set *clusterv1.MachineSet) (bool, error) {
	machines := &clusterv1.MachineList{}
	err := h.Client.List(ctx, machines, client.InNamespace(set.Namespace),
		client.MatchingLabels{clusterv1.MachineSetNameLabel: format.MustFormatValue(set.Name)})
	if err != nil {
		return false, fmt.Errorf("listing the machines of MachineSet %s: %w", set.Name, err)
	}
	for i := range machines.Items {
		machine := &machines.Items[i]
		if !machine.DeletionTimestamp.IsZero() {
			// It is not updated any more, and its OCIMeshMachine may be gone.
			continue
		}
		has, err := h.hasAgent(ctx, set.Namespace, machine.Spec.InfrastructureRef.Name)
		if apierrors.IsNotFound(err) && ptr.Deref(machine.Status.Initialization.InfrastructureProvisioned, false) {
			// It had one, so that it is gone for good. Nobody updates it, and the others must not
			// wait until somebody deletes the Machine.
			continue
		}
		if err != nil || !has {
			return false, err
		}
	}
	return true, nil
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
