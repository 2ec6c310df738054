// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/loadbalancer"
	"github.com/oracle/oci-go-sdk/v65/networkloadbalancer"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// names collects the JSON names of a struct's own fields.
func names(kind reflect.Type) map[string]bool {
	found := map[string]bool{}
	for i := range kind.NumField() {
		field := kind.Field(i)
		if field.Anonymous {
			for name := range names(field.Type) {
				found[name] = true
			}
			continue
		}
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			found[name] = true
		}
	}
	return found
}

// The simulator's bodies are written by hand; a misspelt field would refuse good
// requests, or never be read by a client.
func TestFieldNamesAreOCIs(t *testing.T) {
	for _, pair := range []struct{ ours, theirs any }{
		{model.CreateVcnDetails{}, core.CreateVcnDetails{}}, {model.Vcn{}, core.Vcn{}},
		{model.CreateSubnetDetails{}, core.CreateSubnetDetails{}}, {model.UpdateSubnetDetails{}, core.UpdateSubnetDetails{}}, {model.Subnet{}, core.Subnet{}},
		{model.CreateInternetGatewayDetails{}, core.CreateInternetGatewayDetails{}}, {model.InternetGateway{}, core.InternetGateway{}},
		{model.CreateNatGatewayDetails{}, core.CreateNatGatewayDetails{}}, {model.NatGateway{}, core.NatGateway{}},
		{model.CreateServiceGatewayDetails{}, core.CreateServiceGatewayDetails{}}, {model.ServiceGateway{}, core.ServiceGateway{}},
		{model.CreateRouteTableDetails{}, core.CreateRouteTableDetails{}}, {model.RouteTable{}, core.RouteTable{}}, {model.RouteRule{}, core.RouteRule{}},
		{model.CreateSecurityListDetails{}, core.CreateSecurityListDetails{}}, {model.SecurityList{}, core.SecurityList{}},
		{model.CreateNsgDetails{}, core.CreateNetworkSecurityGroupDetails{}}, {model.RuleDetails{}, core.UpdateSecurityRuleDetails{}}, {model.SecurityRule{}, core.SecurityRule{}},
		{model.CreateVnicDetails{}, core.CreateVnicDetails{}}, {model.Vnic{}, core.Vnic{}},
		{model.AttachVnicDetails{}, core.AttachVnicDetails{}}, {model.UpdateVnicDetails{}, core.UpdateVnicDetails{}},
		{model.LaunchDetails{}, core.LaunchInstanceDetails{}}, {model.Instance{}, core.Instance{}}, {model.InstanceShape{}, core.InstanceShapeConfig{}},
		{model.ShapeConfigDetails{}, core.LaunchInstanceShapeConfigDetails{}}, {model.LaunchOptions{}, core.LaunchOptions{}},
		{model.LaunchCreateVolume{}, core.LaunchCreateVolumeFromAttributes{}}, {model.UpdateInstanceDetails{}, core.UpdateInstanceDetails{}},
		{model.CreateVolumeDetails{}, core.CreateVolumeDetails{}}, {model.Volume{}, core.Volume{}}, {model.BootVolume{}, core.BootVolume{}},
		{model.Image{}, core.Image{}}, {model.Shape{}, core.Shape{}},
		{model.CreateNlbDetails{}, networkloadbalancer.CreateNetworkLoadBalancerDetails{}}, {model.NetworkLoadBalancer{}, networkloadbalancer.NetworkLoadBalancer{}},
		{model.BackendSet{}, networkloadbalancer.BackendSet{}}, {model.Backend{}, networkloadbalancer.Backend{}}, {model.HealthChecker{}, networkloadbalancer.HealthChecker{}},
		{model.CreateLbDetails{}, loadbalancer.CreateLoadBalancerDetails{}}, {model.UpdateLbDetails{}, loadbalancer.UpdateLoadBalancerDetails{}},
		{model.LoadBalancer{}, loadbalancer.LoadBalancer{}}, {model.LbListener{}, loadbalancer.Listener{}}, {model.LbBackendSet{}, loadbalancer.BackendSet{}},
		{model.LbBackend{}, loadbalancer.Backend{}}, {model.LbHealthChecker{}, loadbalancer.HealthChecker{}}, {model.LbWorkRequest{}, loadbalancer.WorkRequest{}},
		{model.CreateBackendSetDetails{}, networkloadbalancer.CreateBackendSetDetails{}}, {model.UpdateBackendSetDetails{}, networkloadbalancer.UpdateBackendSetDetails{}},
		{model.Listener{}, networkloadbalancer.CreateListenerDetails{}}, {model.UpdateListenerDetails{}, networkloadbalancer.UpdateListenerDetails{}},
		{model.CreateLbSetDetails{}, loadbalancer.CreateBackendSetDetails{}}, {model.UpdateLbSetDetails{}, loadbalancer.UpdateBackendSetDetails{}},
		{model.CreateLbListenerDetails{}, loadbalancer.CreateListenerDetails{}}, {model.UpdateLbListenerDetails{}, loadbalancer.UpdateListenerDetails{}},
		{model.UpdateLbShapeDetails{}, loadbalancer.UpdateLoadBalancerShapeDetails{}}, {model.PublicIP{}, core.PublicIp{}},
		{model.UpdateGroupsDetails{}, loadbalancer.UpdateNetworkSecurityGroupsDetails{}}, {model.CreatePublicIPDetails{}, core.CreatePublicIpDetails{}},
		{model.LbShape{}, loadbalancer.ShapeDetails{}}, {model.LbIP{}, loadbalancer.IpAddress{}},
	} {
		ours, theirs := reflect.TypeOf(pair.ours), reflect.TypeOf(pair.theirs)
		known := names(theirs)
		for name := range names(ours) {
			// Discriminators of unions stand in the SDK's marshalling code, not in its structs.
			if name != "-" && name != "volumeCreationType" {
				NewWithT(t).Expect(known).To(HaveKey(name), "%s against %s", ours, theirs)
			}
		}
	}
}
