// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package webhooks

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// OCIMeshMachine lets sizes, tags, volumes and tailscale's version of a machine change only in an
// update in place of Cluster API, which marks the machine and takes one at a time: each change may
// restart the instance. Cluster API tries the change in a dry run before it marks the machine; CEL
// sees neither dry runs nor annotations.
type OCIMeshMachine struct {
	// InPlaceUpdates says whether the feature gate is open.
	InPlaceUpdates bool
}

var _ admission.Validator[*infrav1.OCIMeshMachine] = OCIMeshMachine{}

// +kubebuilder:webhook:verbs=update,path=/validate-infrastructure-cluster-x-k8s-io-v1alpha1-ocimeshmachine,mutating=false,failurePolicy=fail,matchPolicy=Equivalent,groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachines,versions=v1alpha1,name=validation.ocimeshmachine.infrastructure.cluster.x-k8s.io,sideEffects=None,admissionReviewVersions=v1

// SetupWithManager serves the webhook.
func (w OCIMeshMachine) SetupWithManager(mgr manager.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &infrav1.OCIMeshMachine{}).WithValidator(w).Complete()
}

// ValidateCreate refuses nothing: CEL has the rules.
func (OCIMeshMachine) ValidateCreate(context.Context, *infrav1.OCIMeshMachine) (admission.Warnings, error) {
	return nil, nil
}

// ValidateUpdate refuses changes that nobody has asked Cluster API for.
func (w OCIMeshMachine) ValidateUpdate(ctx context.Context, before, after *infrav1.OCIMeshMachine) (admission.Warnings, error) {
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("no admission request in the context: %s", err))
	}
	_, marked := after.Annotations[clusterv1.UpdateInProgressAnnotation]
	dryRun := request.DryRun != nil && *request.DryRun
	// With the gate closed by mistake nobody answers whether a machine can be updated in place, and
	// Cluster API waits. It does not ask where the dry run is refused: it replaces the machine
	// (createRequest in inplace_canupdatemachine.go of its KubeadmControlPlane, v1.14).
	if dryRun || w.InPlaceUpdates && marked {
		return nil, nil
	}
	why := "it is immutable: change the template instead"
	if w.InPlaceUpdates {
		why += "; Cluster API then updates the machine in place"
	}
	var errs field.ErrorList
	for _, changed := range []struct {
		name          string
		before, after any
	}{
		{"shapes", before.Spec.Shapes, after.Spec.Shapes},
		{"bootVolume", before.Spec.BootVolume, after.Spec.BootVolume},
		{"dataVolumes", before.Spec.DataVolumes, after.Spec.DataVolumes},
		{"tags", before.Spec.Tags, after.Spec.Tags},
		{"tailscale", before.Spec.Tailscale, after.Spec.Tailscale},
	} {
		if !equality.Semantic.DeepEqual(changed.before, changed.after) {
			errs = append(errs, field.Forbidden(field.NewPath("spec", changed.name), why))
		}
	}
	if len(errs) == 0 {
		return nil, nil
	}
	return nil, apierrors.NewInvalid(infrav1.GroupVersion.WithKind("OCIMeshMachine").GroupKind(), after.Name, errs)
}

// ValidateDelete refuses nothing.
func (OCIMeshMachine) ValidateDelete(context.Context, *infrav1.OCIMeshMachine) (admission.Warnings, error) {
	return nil, nil
}
