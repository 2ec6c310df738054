// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers has no code: it is the map of the controllers below it.
//
//	account   OCIAccount      are the credentials good, what domains are there, who uses it
//	tailnet   Tailnet         the same for a tailnet; keeps the list of control-plane VIPs
//	cluster   OCIMeshCluster  networks in every account, the endpoint, failure domains
//	machine   OCIMeshMachine  place, launch, join, observe, delete
//	machinetemplate  OCIMeshMachineTemplate  capacity, for autoscaling from zero
//	access    what is needed to act in an account or a tailnet, and errors as reasons
//	vip       control-plane addresses out of a Tailnet's range
//	joinkey   tailnet keys of machines and pools in the manager's own namespace
//	report    conditions from outcomes
//	strays    when something that carries the provider's tags counts as belonging to no object
//	index     how machines are found in the cache
//
// All have one shape: a controller.go with set-up, watches and the Reconcile skeleton; one file for
// each phase; a status.go that computes all conditions once, at the end, from what the phases left
// in a scope of plain data. Decisions are taken from observation, never from conditions that the
// same controller wrote.
//
// Controllers may import api, cloud and Cluster API's util packages; neither OCI's SDK nor
// Tailscale's client.
package controllers
