// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package model is the simulated Oracle Cloud: tenancies, their users and
// compartments, networks, instances, volumes, load balancers, limits, quotas,
// capacity, faults, retry tokens, clock and call log. It knows nothing of HTTP.
//
// All state of one tenancy hangs off a State and is guarded by its lock: callers run model
// operations inside State.Do, one call at a time, and marshal their result before they leave it.
package model
