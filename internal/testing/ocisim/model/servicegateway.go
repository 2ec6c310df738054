// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "strings"

// Service is a group of Oracle services behind a service gateway.
type Service struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	CidrBlock   string `json:"cidrBlock"`
}

// ServiceRef names a service; ServiceName is set in answers only.
type ServiceRef struct {
	ServiceID   string `json:"serviceId" oci:"required"`
	ServiceName string `json:"serviceName,omitempty"`
}

// ServiceGateway is OCI's service gateway.
type ServiceGateway struct {
	Meta
	VcnID        string       `json:"vcnId"`
	BlockTraffic bool         `json:"blockTraffic"`
	Services     []ServiceRef `json:"services"`
	RouteTableID string       `json:"routeTableId,omitempty"`
}

// CreateServiceGatewayDetails is the body of CreateServiceGateway.
type CreateServiceGatewayDetails struct {
	CompartmentID string       `json:"compartmentId" oci:"required"`
	VcnID         string       `json:"vcnId" oci:"required"`
	Services      []ServiceRef `json:"services" oci:"required"`
	DisplayName   string       `json:"displayName"`
	RouteTableID  string       `json:"routeTableId"`
	Tags
}

// UpdateServiceGatewayDetails is the body of UpdateServiceGateway.
type UpdateServiceGatewayDetails struct {
	DisplayName  *string      `json:"displayName"`
	BlockTraffic *bool        `json:"blockTraffic"`
	Services     []ServiceRef `json:"services"`
	RouteTableID *string      `json:"routeTableId"`
	Tags
}

// servicesOf returns a region's two service groups; the second routes to all Oracle services.
func servicesOf(region string) []Service {
	key, _ := regionKey(region)
	short := strings.ToLower(key)
	return []Service{
		{ID: NewOCID("service", region), Name: "OCI " + key + " Object Storage", Description: "OCI " + key + " Object Storage",
			CidrBlock: "oci-" + short + "-objectstorage"},
		{ID: NewOCID("service", region), Name: "All " + key + " Services In Oracle Services Network",
			Description: "All " + key + " Services In Oracle Services Network", CidrBlock: "all-" + short + "-services-in-oracle-services-network"},
	}
}

// ListServices lists the region's service groups.
func (s *State) ListServices(query ListQuery) ([]Service, string, error) {
	return paginate(s, s.services, query, func(service Service) string { return service.ID })
}

func (s *State) checkServices(refs []ServiceRef) ([]ServiceRef, error) {
	resolved := []ServiceRef{}
	for _, ref := range refs {
		found := false
		for _, service := range s.services {
			if service.ID == ref.ServiceID {
				resolved = append(resolved, ServiceRef{ServiceID: service.ID, ServiceName: service.Name})
				found = true
			}
		}
		if !found {
			return nil, ErrNotFound()
		}
	}
	return resolved, nil
}

// CreateServiceGateway makes a network's one service gateway.
func (s *State) CreateServiceGateway(caller *User, details CreateServiceGatewayDetails) (*ServiceGateway, error) {
	if err := s.gatewayVcn(caller, details.CompartmentID, details.VcnID, details.RouteTableID); err != nil {
		return nil, err
	}
	services, err := s.checkServices(details.Services)
	if err != nil {
		return nil, err
	}
	if len(alive(s, func(g *ServiceGateway) bool { return g.VcnID == details.VcnID })) > 0 {
		return nil, ErrInvalid("A VCN has one service gateway at most: %s has one already", details.VcnID)
	}
	gateway := &ServiceGateway{
		Meta:  s.newMeta("servicegateway", details.CompartmentID, details.DisplayName, details.Tags),
		VcnID: details.VcnID, Services: services, RouteTableID: details.RouteTableID,
	}
	put(s, gateway)
	s.appear(gateway)
	return gateway, nil
}

// GetServiceGateway describes a service gateway.
func (s *State) GetServiceGateway(caller *User, id string) (*ServiceGateway, error) {
	return get[*ServiceGateway](s, caller, id)
}

// ListServiceGateways lists a compartment's service gateways, optionally of one network.
func (s *State) ListServiceGateways(caller *User, query ListQuery, vcn string) ([]*ServiceGateway, string, error) {
	return list(s, caller, query, func(g *ServiceGateway) bool { return vcn == "" || g.VcnID == vcn })
}

// UpdateServiceGateway changes a gateway in place.
func (s *State) UpdateServiceGateway(caller *User, id, ifMatch string, details UpdateServiceGatewayDetails) (*ServiceGateway, error) {
	gateway, err := getAlive[*ServiceGateway](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := checkMatch(gateway, ifMatch); err != nil {
		return nil, err
	}
	if details.Services != nil {
		services, err := s.checkServices(details.Services)
		if err != nil {
			return nil, err
		}
		gateway.Services = services
	}
	if details.BlockTraffic != nil {
		gateway.BlockTraffic = *details.BlockTraffic
	}
	gateway.update(details.DisplayName, details.Tags)
	return gateway, nil
}

// DeleteServiceGateway removes a gateway without a route rule to it.
func (s *State) DeleteServiceGateway(caller *User, id, ifMatch string) error {
	gateway, err := getAlive[*ServiceGateway](s, caller, id)
	if err != nil {
		return err
	}
	return s.deleteGateway(gateway, "ServiceGateway", ifMatch)
}
