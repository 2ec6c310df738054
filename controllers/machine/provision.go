// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
)

// provision hands the machine over to Cluster API once it runs, has joined and, if it is to be, is
// behind the load balancer. That is never taken back: what goes wrong later is for conditions.
func (r *Reconciler) provision(_ context.Context, s *scope) error {
	s.Requeue(s.Intervals.Poll)
	if s.instance == nil || s.observed.Device == nil {
		return nil
	}
	s.own.Status.Addresses = addressesOf(s)
	if s.instance.State != oci.StateRunning || s.own.Status.Instance.PrivateIP == "" || s.provisionedForGood() {
		return nil
	}
	if s.isBackend() && s.own.Status.Backend.Name == "" {
		return nil
	}
	s.own.Spec.ProviderID = cloud.ProviderID(s.own.Status.Instance.ID)
	provisioned := true
	s.own.Status.Initialization.Provisioned = &provisioned
	updates.RecordTags(s.own)
	s.handedOver = true
	recordEvent(s, "MachineProvisioned", "Provision", "Machine runs and has joined the tailnet as %s", s.hostname)
	return nil
}

func (s *scope) provisionedForGood() bool {
	return s.own.Spec.ProviderID != "" && s.own.Status.Initialization.IsProvisioned()
}

// addressesOf puts the tailnet's IPv4 address first: the kubelet registers it, and other machines
// reach it.
func addressesOf(s *scope) []clusterv1.MachineAddress {
	var addresses []clusterv1.MachineAddress
	for _, address := range s.own.Status.Tailnet.Addresses {
		addresses = append(addresses, clusterv1.MachineAddress{Type: clusterv1.MachineInternalIP, Address: address})
	}
	if public := s.own.Status.Instance.PublicIP; public != "" {
		addresses = append(addresses, clusterv1.MachineAddress{Type: clusterv1.MachineExternalIP, Address: public})
	}
	return append(addresses, clusterv1.MachineAddress{Type: clusterv1.MachineHostName, Address: s.hostname})
}

// failureDomainOf is the placement's failure domain, as far as the account's domains are known.
func failureDomainOf(account *infrav1.OCIAccount, availabilityDomain string) string {
	for _, domain := range account.Status.AvailabilityDomains {
		if domain.Name == availabilityDomain {
			return infrav1.FailureDomainName(account.Name, domain.ShortName)
		}
	}
	return ""
}
