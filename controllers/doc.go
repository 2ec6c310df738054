// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers has no code: it is the map of the controllers below it.
//
//	account          OCIAccount: credentials, domains, limits, users, strays
//	tailnet          Tailnet: credentials and permissions, users, the list of control-plane VIPs
//	cluster          OCIMeshCluster: networks in every account, the endpoint, failure domains
//	machine          OCIMeshMachine: place, launch, join, observe, delete
//	inplace          what Cluster API is told about updates in place
//	machinetemplate  OCIMeshMachineTemplate: capacity, for scaling from zero
//	remediation      OCIMeshRemediation: start and resets of an unhealthy machine's instance
//
// Machine pools are experimental and live in exp/controllers, behind a feature gate:
//
//	exp/controllers/machinepool  OCIMeshMachinePool: instance configuration, pool, its machines
//	exp/controllers/poolmachine  OCIMeshMachinePoolMachine: one instance of a pool
//	exp/controllers/poolid       the identity of a pool and of what is made for it
//	exp/controllers/remains      volumes that a pool's instances left
//
// What they share, each rule with one owner:
//
//	phases       the flow of every reconcile: phases, problems, waits, the time of the next pass
//	report       conditions from outcomes
//	access       accounts and tailnets that a namespace may use, their clients, errors as reasons
//	identity     the identity that an object keeps when it is moved
//	claims       which management cluster holds what is in OCI
//	poller       what every account's instances are, by polls that all controllers share
//	instances    where a machine's instances are, and how they end
//	console      what a node that is late said last
//	updates      changes of machines in place: the instance, and the node's versions
//	tailnetnode  a machine's key, device, routes, joining and leaving on a tailnet
//	userdata     user data from bootstrap data
//	workload     the Nodes of a cluster, at its own API server, their drains; its control planes
//	nodesize     how large the node of a shape is
//	scheduling   where machines go and how large pools may be: budgets, reservations, images
//	vip          control-plane addresses out of a Tailnet's range
//	pools        what machine pools have in an account
//	strays       when something with the provider's tags counts as belonging to no object
//	index        how machines are found in the cache
//	collector    metrics of what there is
//
// All kinds have one shape: a controller.go with the reconcile skeleton and the order of the
// phases; one file for each phase, with its test beside it; a status.go that computes all
// conditions once, at the end, from what the phases left in a scope of plain data. Only inplace has
// none of these: it reconciles nothing, and answers Cluster API's requests. Decisions are taken
// from observation, never from conditions that the same controller wrote.
//
// Who may import whom is in .golangci.yml: no controller imports OCI's SDK or Tailscale's client.
package controllers
