// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"net/netip"
	"slices"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Names within the load balancer.
const (
	listenerName = "api-server"
	setName      = "control-planes"
)

// Spec is the desired load balancer.
type Spec struct {
	// SubnetID and NSGIDs are where it is put.
	SubnetID string
	NSGIDs   []string
	// Private gives it no public address.
	Private bool
	// ReservedIPID is the OCID of the public IP to take; empty leaves the choice to OCI.
	ReservedIPID string
	// Address is in use by the cluster's clients already; not valid if they use none or a host
	// name.
	Address netip.Addr
	// Port is the API server's, on the load balancer and behind it.
	Port int
	// Bandwidth is for the classic kind.
	Bandwidth oci.Bandwidth
}

// Equal tells whether two specs ask for the same.
func (s Spec) Equal(other Spec) bool {
	return slices.Equal(s.NSGIDs, other.NSGIDs) && s.SubnetID == other.SubnetID && s.Private == other.Private && s.ReservedIPID == other.ReservedIPID &&
		s.Address == other.Address && s.Port == other.Port && s.Bandwidth == other.Bandwidth
}

// canHave tells whether a new load balancer would have the address in use: a reserved one is taken
// again, and a network load balancer's private one can be asked for. OCI chooses all others.
func (s Spec) canHave(kind infrav1.EndpointType) bool {
	return !s.Address.IsValid() || s.ReservedIPID != "" || (s.Private && !isClassic(kind))
}

// isClassic tells whether the load balancer is of OCI's classic kind. In refuses kinds that have
// none.
func isClassic(kind infrav1.EndpointType) bool {
	switch kind {
	case infrav1.EndpointLoadBalancer:
		return true
	case infrav1.EndpointNetworkLoadBalancer, infrav1.EndpointTailnetVIP, infrav1.EndpointExternal:
		return false
	}
	return false
}

// Times of health checks are OCI's defaults (oci-go-sdk networkloadbalancer/health_checker.go).
const (
	checkInterval = 10 * time.Second
	checkTimeout  = 3 * time.Second
	checkRetries  = 3
	checkOK       = 200
)

// listener passes TCP through unchanged: TLS ends at the API server, because it asks for clients'
// certificates.
func listener(spec Spec) oci.Listener {
	return oci.Listener{Port: spec.Port, Protocol: oci.BalancerTCP, BackendSet: setName}
}

// backendSet has no backends.
//
// A network load balancer asks the API servers for /readyz, open to everybody (ClusterRole
// system:public-info-viewer). It does not preserve the clients' addresses. OCI's default is to
// preserve them, but then a control plane sent to itself would get no answer: the packet would come
// back to its own address. It fails open while no backend is healthy, as before the first control
// plane's health check has succeeded.
//
// The classic kind checks TCP only: its HTTP checks speak TLS only if it uses TLS for all traffic
// to the backends (oci-go-sdk loadbalancer/health_checker_details.go, isForcePlainText), and this
// would wrap the clients' TLS once more.
func backendSet(kind infrav1.EndpointType, spec Spec) oci.BackendSet {
	check := oci.HealthCheck{Port: spec.Port, Interval: checkInterval, Timeout: checkTimeout, Retries: checkRetries}
	if isClassic(kind) {
		check.Protocol = oci.BalancerTCP
		return oci.BackendSet{Policy: "ROUND_ROBIN", Health: check}
	}
	check.Protocol, check.Path, check.ReturnCode = oci.BalancerHTTPS, "/readyz", checkOK
	return oci.BackendSet{Policy: "FIVE_TUPLE", FailOpen: true, Health: check}
}

// sameSet tells whether two backend sets are alike but for their backends. A TCP check's fields for
// HTTP do not matter.
func sameSet(want, have oci.BackendSet) bool {
	if want.Health.Protocol == oci.BalancerTCP {
		have.Health.Path, have.Health.ReturnCode = "", 0
	}
	return want.Policy == have.Policy && want.PreserveSource == have.PreserveSource && want.FailOpen == have.FailOpen &&
		want.Health == have.Health
}

func sameGroups(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// balancer is the load balancer to create.
func balancer(kind infrav1.EndpointType, owner ownership.Owner, spec Spec) oci.BalancerSpec {
	out := oci.BalancerSpec{
		DisplayName: owner.Namespace() + "-" + owner.Name() + "-api-server", SubnetID: spec.SubnetID, NSGIDs: spec.NSGIDs,
		Private: spec.Private, ReservedIPID: spec.ReservedIPID, Bandwidth: spec.Bandwidth, Tags: owner.Claimed(owner.Tags()),
		Listeners:   map[string]oci.Listener{listenerName: listener(spec)},
		BackendSets: map[string]oci.BackendSet{setName: backendSet(kind, spec)},
	}
	if spec.Private {
		out.PrivateIP = spec.Address
	}
	return out
}
