// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	runtimehooksv1 "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/inplace"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/workload"
)

// soon is how many seconds Cluster API is asked to wait until caches show its writes.
const soon = 2

// later is how many seconds it is asked to wait until something of OCI's has moved.
func (h *Handlers) later() int32 {
	return max(1, int32(cmp.Or(h.Progress, 10*time.Second).Seconds()))
}

// UpdateMachine tells how far the update of a machine is. The controller of OCIMeshMachines does
// it; its condition Updated is the answer. Cluster API calls this until it is done.
func (h *Handlers) UpdateMachine(
	ctx context.Context, request *runtimehooksv1.UpdateMachineRequest, response *runtimehooksv1.UpdateMachineResponse,
) {
	progress, err := h.progress(ctx, request)
	if err != nil {
		refuse(response, err)
		return
	}
	response.SetStatus(runtimehooksv1.ResponseStatusSuccess)
	response.SetRetryAfterSeconds(progress.again)
	response.SetMessage(progress.message)
}

// progress is done without a time to ask again.
type progress struct {
	again   int32
	message string
}

func (h *Handlers) progress(ctx context.Context, request *runtimehooksv1.UpdateMachineRequest) (progress, error) {
	desired, err := desiredMachine(request)
	if err != nil {
		return progress{}, err
	}
	own := &infrav1.OCIMeshMachine{}
	if err := h.Client.Get(ctx, client.ObjectKeyFromObject(desired), own); err != nil {
		return progress{}, fmt.Errorf("reading OCIMeshMachine %s: %w", desired.Name, err)
	}
	if _, marked := own.Annotations[clusterv1.UpdateInProgressAnnotation]; !marked || !equality.Semantic.DeepEqual(own.Spec, desired.Spec) {
		return progress{again: soon, message: "Waiting for the provider to see the changed OCIMeshMachine"}, nil
	}
	machine := &clusterv1.Machine{}
	if err := h.Client.Get(ctx, client.ObjectKeyFromObject(&request.Desired.Machine), machine); err != nil {
		return progress{}, fmt.Errorf("reading Machine %s: %w", request.Desired.Machine.Name, err)
	}
	runs, err := checkVersion(own, machine, &request.Desired.Machine)
	if err != nil {
		return progress{}, err
	}
	unhealthy, err := h.unhealthy(ctx, machine)
	if err != nil {
		return progress{}, err
	}
	looked := lookedAgain(machine)
	updated := conditions.Get(own, infrav1.UpdatedCondition)
	switch {
	case updated == nil, updated.ObservedGeneration < own.Generation:
		return progress{again: soon, message: "Waiting for the provider to begin"}, nil
	case updated.Status == metav1.ConditionTrue && !runs:
		return progress{again: soon, message: "Waiting for the node to run " + request.Desired.Machine.Spec.Version}, nil
	case updated.Status == metav1.ConditionTrue && unhealthy != "":
		return progress{again: h.later(), message: "Waiting for the KubeadmControlPlane to find " + unhealthy + " true"}, nil
	case updated.Status == metav1.ConditionTrue && !looked:
		return progress{again: h.later(), message: lookAgain}, nil
	case updated.Status == metav1.ConditionTrue:
		return progress{}, nil
	}
	return progress{again: h.later(), message: updated.Message}, nil
}

// unhealthy is the first condition of a control plane, of this machine or another one, that is not
// true. Once an update ends the KubeadmControlPlane chooses the next machine, and replaces one that
// is not healthy by then (rollingUpdate in its update.go). It repairs others while an update is
// under way (reconcileUnhealthyMachines in its remediation.go), and itself waits for those that
// come or go.
func (h *Handlers) unhealthy(ctx context.Context, machine *clusterv1.Machine) (string, error) {
	if !util.IsControlPlaneMachine(machine) {
		return "", nil
	}
	controlPlanes, err := workload.ControlPlanes(ctx, h.Client, machine)
	return workload.FirstUnhealthy(controlPlanes), err
}

// lookAgain changes the Machine's condition Updating, and with it the Machine: that is what makes a
// KubeadmControlPlane look at it. What it wrote there may be of before the pods began anew.
const lookAgain = "Waiting for the KubeadmControlPlane to check the machine again"

func lookedAgain(machine *clusterv1.Machine) bool {
	return len(workload.StaticPods(machine)) == 0 ||
		strings.HasSuffix(conditions.GetMessage(machine, clusterv1.MachineUpdatingCondition), lookAgain)
}

// desiredMachine is the OCIMeshMachine of the request.
func desiredMachine(request *runtimehooksv1.UpdateMachineRequest) (*infrav1.OCIMeshMachine, error) {
	object, err := objectOf(request.Desired.InfrastructureMachine)
	if err != nil {
		return nil, err
	}
	if kind := object.GroupVersionKind().GroupKind(); kind != (schema.GroupKind{Group: infrav1.GroupVersion.Group, Kind: "OCIMeshMachine"}) {
		return nil, fmt.Errorf("this extension updates OCIMeshMachines, and machine %s is of %s", request.Desired.Machine.Name, kind)
	}
	desired := &infrav1.OCIMeshMachine{}
	if err := json.Unmarshal(request.Desired.InfrastructureMachine.Raw, desired); err != nil {
		return nil, fmt.Errorf("reading the desired OCIMeshMachine: %w", err)
	}
	machine := &request.Desired.Machine
	if desired.Namespace != machine.Namespace || desired.Name != machine.Spec.InfrastructureRef.Name {
		return nil, fmt.Errorf("OCIMeshMachine %s is not Machine %s's", klog.KObj(desired), klog.KObj(machine))
	}
	return desired, nil
}

// checkVersion tells whether the node has its Machine's version of Kubernetes, and fails if it
// never will. Cluster API may have changed the version after it asked whether the update can be
// done (its inplace_trigger.go says so), and would take the old node for a new one. With an agent
// it is the controller's record that counts: the condition Updated may be of an earlier version.
func checkVersion(own *infrav1.OCIMeshMachine, machine, wanted *clusterv1.Machine) (bool, error) {
	if wanted.Spec.Version == "" || updates.HasVersion(own, wanted) {
		return true, nil
	}
	if updates.HasAgent(own) {
		return false, nil
	}
	if machine.Status.NodeInfo == nil {
		return true, nil
	}
	has := machine.Status.NodeInfo.KubeletVersion
	if !(inplace.Versions{Kubernetes: wanted.Spec.Version}).IsKubelet(has) {
		return false, fmt.Errorf("node of Machine %s runs %s and cannot be brought to %s in place: delete the Machine, and it is replaced",
			wanted.Name, has, wanted.Spec.Version)
	}
	return true, nil
}
