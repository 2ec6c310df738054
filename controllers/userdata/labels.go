// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package userdata

import (
	"crypto/sha256"
	"encoding/hex"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Place is where a node runs, and on what.
type Place struct {
	// Account it is in.
	Account *infrav1.OCIAccount
	// AvailabilityDomain and FaultDomain are OCI's names. What is empty, the node asks the metadata
	// service for.
	AvailabilityDomain, FaultDomain string
	// Shape's name.
	Shape string
	// Preemptible is its spec's.
	Preemptible *bool
}

// maxZoneAccount leaves room for an availability domain, such as "-ad-1", in a label's value.
const maxZoneAccount = validation.LabelValueMaxLength - len("-ad-1")

// labels are put on the Node. kubelet may set them itself: the NodeRestriction admission plugin
// lets it set Kubernetes' labels of topology and instance type, and any whose prefix does not end
// with kubernetes.io or k8s.io after a dot (k8s.io/kubelet pkg/apis IsKubeletLabel,
// kubernetes/plugin/pkg/admission/noderestriction isKubernetesLabel). A value that no label can
// have is left out.
func (p Place) labels() map[string]string {
	labels := map[string]string{
		corev1.LabelTopologyRegion:     p.Account.Spec.Region,
		corev1.LabelTopologyZone:       p.zone(),
		corev1.LabelInstanceTypeStable: p.Shape,
		infrav1.NodeAccountLabel:       p.Account.Name,
		infrav1.NodeFaultDomainLabel:   p.FaultDomain,
		infrav1.NodePreemptibleLabel:   "",
	}
	if p.Preemptible != nil && *p.Preemptible {
		labels[infrav1.NodePreemptibleLabel] = "true"
	}
	for name, value := range labels {
		if value == "" || len(validation.IsValidLabelValue(value)) > 0 {
			delete(labels, name)
		}
	}
	return labels
}

// zone is the failure domain's name, as far as the account's availability domains are known.
func (p Place) zone() string {
	for _, domain := range p.Account.Status.AvailabilityDomains {
		if domain.Name == p.AvailabilityDomain {
			return infrav1.FailureDomainName(p.zoneAccount(), domain.ShortName)
		}
	}
	return ""
}

// zoneAccount is the account's name. One that is too long for a label's value loses its end to a
// digest, so that no two accounts share a zone.
func (p Place) zoneAccount() string {
	name := p.Account.Name
	if len(name) <= maxZoneAccount {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	digest := "-" + hex.EncodeToString(sum[:4])
	return name[:maxZoneAccount-len(digest)] + digest
}
