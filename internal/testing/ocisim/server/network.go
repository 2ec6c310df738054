// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// networkRoutes are those of oci-go-sdk's core VirtualNetworkClient.
func networkRoutes() []route {
	return append(gatewayRoutes(), []route{
		{pattern: "GET /20160918/vcns", operation: "ListVcns", handle: lists("", func(s *model.State, u *model.User, q model.ListQuery, _ string) ([]*model.Vcn, string, error) {
			return s.ListVcns(u, q)
		})},
		{pattern: "POST /20160918/vcns", operation: "CreateVcn", handle: creates((*model.State).CreateVcn)},
		{pattern: "GET /20160918/vcns/{id}", operation: "GetVcn", handle: gets((*model.State).GetVcn)},
		{pattern: "PUT /20160918/vcns/{id}", operation: "UpdateVcn", handle: updates((*model.State).UpdateVcn)},
		{pattern: "DELETE /20160918/vcns/{id}", operation: "DeleteVcn", handle: deletes((*model.State).DeleteVcn)},

		{pattern: "POST /20160918/publicIps", operation: "CreatePublicIp", handle: creates((*model.State).CreatePublicIP)},
		{pattern: "GET /20160918/publicIps/{id}", operation: "GetPublicIp", handle: gets((*model.State).GetPublicIP)},
		{pattern: "DELETE /20160918/publicIps/{id}", operation: "DeletePublicIp", handle: deletes((*model.State).DeletePublicIP)},

		{pattern: "GET /20160918/subnets", operation: "ListSubnets", handle: lists("vcnId", (*model.State).ListSubnets)},
		{pattern: "POST /20160918/subnets", operation: "CreateSubnet", handle: creates((*model.State).CreateSubnet)},
		{pattern: "GET /20160918/subnets/{id}", operation: "GetSubnet", handle: gets((*model.State).GetSubnet)},
		{pattern: "PUT /20160918/subnets/{id}", operation: "UpdateSubnet", handle: updates((*model.State).UpdateSubnet)},
		{pattern: "DELETE /20160918/subnets/{id}", operation: "DeleteSubnet", handle: deletes((*model.State).DeleteSubnet)},

		{pattern: "GET /20160918/routeTables", operation: "ListRouteTables", handle: lists("vcnId", (*model.State).ListRouteTables)},
		{pattern: "POST /20160918/routeTables", operation: "CreateRouteTable", handle: creates((*model.State).CreateRouteTable)},
		{pattern: "GET /20160918/routeTables/{id}", operation: "GetRouteTable", handle: gets((*model.State).GetRouteTable)},
		{pattern: "PUT /20160918/routeTables/{id}", operation: "UpdateRouteTable", handle: updates((*model.State).UpdateRouteTable)},
		{pattern: "DELETE /20160918/routeTables/{id}", operation: "DeleteRouteTable", handle: deletes((*model.State).DeleteRouteTable)},

		{pattern: "GET /20160918/securityLists", operation: "ListSecurityLists", handle: lists("vcnId", (*model.State).ListSecurityLists)},
		{pattern: "POST /20160918/securityLists", operation: "CreateSecurityList", handle: creates((*model.State).CreateSecurityList)},
		{pattern: "GET /20160918/securityLists/{id}", operation: "GetSecurityList", handle: gets((*model.State).GetSecurityList)},
		{pattern: "PUT /20160918/securityLists/{id}", operation: "UpdateSecurityList", handle: updates((*model.State).UpdateSecurityList)},
		{pattern: "DELETE /20160918/securityLists/{id}", operation: "DeleteSecurityList", handle: deletes((*model.State).DeleteSecurityList)},

		{pattern: "GET /20160918/networkSecurityGroups", operation: "ListNetworkSecurityGroups", handle: lists("vcnId", (*model.State).ListNsgs)},
		{pattern: "POST /20160918/networkSecurityGroups", operation: "CreateNetworkSecurityGroup", handle: creates((*model.State).CreateNsg)},
		{pattern: "GET /20160918/networkSecurityGroups/{id}", operation: "GetNetworkSecurityGroup", handle: gets((*model.State).GetNsg)},
		{pattern: "PUT /20160918/networkSecurityGroups/{id}", operation: "UpdateNetworkSecurityGroup", handle: updates((*model.State).UpdateNsg)},
		{pattern: "DELETE /20160918/networkSecurityGroups/{id}", operation: "DeleteNetworkSecurityGroup", handle: deletes((*model.State).DeleteNsg)},
		{pattern: "GET /20160918/networkSecurityGroups/{id}/securityRules", operation: "ListNetworkSecurityGroupSecurityRules", handle: listRules},
		{pattern: "GET /20160918/networkSecurityGroups/{id}/vnics", operation: "ListNetworkSecurityGroupVnics", handle: listNsgVnics},
		{pattern: "POST /20160918/networkSecurityGroups/{id}/actions/addSecurityRules", operation: "AddNetworkSecurityGroupSecurityRules", handle: changesRules((*model.State).AddRules)},
		{pattern: "POST /20160918/networkSecurityGroups/{id}/actions/updateSecurityRules", operation: "UpdateNetworkSecurityGroupSecurityRules", handle: changesRules((*model.State).UpdateRules)},
		{pattern: "POST /20160918/networkSecurityGroups/{id}/actions/removeSecurityRules", operation: "RemoveNetworkSecurityGroupSecurityRules", handle: removeRules, empty: http.StatusNoContent},

		{pattern: "GET /20160918/vnics/{id}", operation: "GetVnic", handle: gets((*model.State).GetVnic)},
		{pattern: "PUT /20160918/vnics/{id}", operation: "UpdateVnic", handle: updates((*model.State).UpdateVnic)},
	}...)
}

func gatewayRoutes() []route {
	return []route{
		{pattern: "GET /20160918/internetGateways", operation: "ListInternetGateways", handle: lists("vcnId", (*model.State).ListInternetGateways)},
		{pattern: "POST /20160918/internetGateways", operation: "CreateInternetGateway", handle: creates((*model.State).CreateInternetGateway)},
		{pattern: "GET /20160918/internetGateways/{id}", operation: "GetInternetGateway", handle: gets((*model.State).GetInternetGateway)},
		{pattern: "PUT /20160918/internetGateways/{id}", operation: "UpdateInternetGateway", handle: updates((*model.State).UpdateInternetGateway)},
		{pattern: "DELETE /20160918/internetGateways/{id}", operation: "DeleteInternetGateway", handle: deletes((*model.State).DeleteInternetGateway)},

		{pattern: "GET /20160918/natGateways", operation: "ListNatGateways", handle: lists("vcnId", (*model.State).ListNatGateways)},
		{pattern: "POST /20160918/natGateways", operation: "CreateNatGateway", handle: creates((*model.State).CreateNatGateway)},
		{pattern: "GET /20160918/natGateways/{id}", operation: "GetNatGateway", handle: gets((*model.State).GetNatGateway)},
		{pattern: "PUT /20160918/natGateways/{id}", operation: "UpdateNatGateway", handle: updates((*model.State).UpdateNatGateway)},
		{pattern: "DELETE /20160918/natGateways/{id}", operation: "DeleteNatGateway", handle: deletes((*model.State).DeleteNatGateway)},

		{pattern: "GET /20160918/serviceGateways", operation: "ListServiceGateways", handle: lists("vcnId", (*model.State).ListServiceGateways)},
		{pattern: "POST /20160918/serviceGateways", operation: "CreateServiceGateway", handle: creates((*model.State).CreateServiceGateway)},
		{pattern: "GET /20160918/serviceGateways/{id}", operation: "GetServiceGateway", handle: gets((*model.State).GetServiceGateway)},
		{pattern: "PUT /20160918/serviceGateways/{id}", operation: "UpdateServiceGateway", handle: updates((*model.State).UpdateServiceGateway)},
		{pattern: "DELETE /20160918/serviceGateways/{id}", operation: "DeleteServiceGateway", handle: deletes((*model.State).DeleteServiceGateway)},
		{pattern: "GET /20160918/services", operation: "ListServices", handle: func(c *call) (any, error) {
			query, err := c.listQuery()
			if err != nil {
				return nil, err
			}
			items, next, err := c.state.ListServices(query)
			return page(c, items, next, err)
		}},
	}
}

func listRules(c *call) (any, error) {
	query, err := c.listQuery()
	if err != nil {
		return nil, err
	}
	items, next, err := c.state.ListRules(c.user, c.path("id"), c.query("direction"), query)
	return page(c, items, next, err)
}

func listNsgVnics(c *call) (any, error) {
	query, err := c.listQuery()
	if err != nil {
		return nil, err
	}
	items, next, err := c.state.ListNsgVnics(c.user, c.path("id"), query)
	return page(c, items, next, err)
}

func changesRules(operation func(*model.State, *model.User, string, model.RulesDetails) (model.Rules, error)) handler {
	return func(c *call) (any, error) {
		var details model.RulesDetails
		if err := decode(c.body, &details); err != nil {
			return nil, err
		}
		return result(operation(c.state, c.user, c.path("id"), details))
	}
}

func removeRules(c *call) (any, error) {
	var details model.RemoveRulesDetails
	if err := decode(c.body, &details); err != nil {
		return nil, err
	}
	return nil, c.state.RemoveRules(c.user, c.path("id"), details)
}
