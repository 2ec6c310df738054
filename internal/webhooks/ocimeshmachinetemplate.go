// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package webhooks holds the admission webhooks: only rules beyond CEL in the CRDs.
package webhooks

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/cluster-api/util/topology"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// OCIMeshMachineTemplate refuses changes of a template: machines made from it would silently
// differ. Cluster API's topology controller tries changes in dry runs to see whether it needs a new
// template; those pass. CEL does not see whether a request is a dry run.
type OCIMeshMachineTemplate struct{}

var _ admission.Validator[*infrav1.OCIMeshMachineTemplate] = OCIMeshMachineTemplate{}

// +kubebuilder:webhook:verbs=create;update,path=/validate-infrastructure-cluster-x-k8s-io-v1alpha1-ocimeshmachinetemplate,mutating=false,failurePolicy=fail,matchPolicy=Equivalent,groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinetemplates,versions=v1alpha1,name=validation.ocimeshmachinetemplate.infrastructure.cluster.x-k8s.io,sideEffects=None,admissionReviewVersions=v1

// SetupWithManager serves the webhook.
func (w OCIMeshMachineTemplate) SetupWithManager(mgr manager.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &infrav1.OCIMeshMachineTemplate{}).WithValidator(w).Complete()
}

// ValidateCreate checks the metadata for the machines.
func (OCIMeshMachineTemplate) ValidateCreate(_ context.Context, template *infrav1.OCIMeshMachineTemplate) (admission.Warnings, error) {
	return nil, refusal(template, metadataErrors(template))
}

// ValidateUpdate refuses changes of spec.template.spec, except in the topology controller's dry
// runs.
func (OCIMeshMachineTemplate) ValidateUpdate(
	ctx context.Context, before, after *infrav1.OCIMeshMachineTemplate,
) (admission.Warnings, error) {
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("no admission request in the context: %s", err))
	}
	errs := metadataErrors(after)
	if !topology.IsDryRunRequest(request, after) &&
		!equality.Semantic.DeepEqual(before.Spec.Template.Spec, after.Spec.Template.Spec) {
		errs = append(errs, field.Forbidden(field.NewPath("spec", "template", "spec"),
			"the spec of a template is immutable: create a new template and refer to that one"))
	}
	return nil, refusal(after, errs)
}

// ValidateDelete refuses nothing.
func (OCIMeshMachineTemplate) ValidateDelete(context.Context, *infrav1.OCIMeshMachineTemplate) (admission.Warnings, error) {
	return nil, nil
}

func metadataErrors(template *infrav1.OCIMeshMachineTemplate) field.ErrorList {
	return template.Spec.Template.ObjectMeta.Validate(field.NewPath("spec", "template", "metadata"))
}

func refusal(template *infrav1.OCIMeshMachineTemplate, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(infrav1.GroupVersion.WithKind("OCIMeshMachineTemplate").GroupKind(), template.Name, errs)
}
