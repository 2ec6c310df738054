// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// clusterError is an error on the way to a cluster's own API server, in its own words.
type clusterError struct {
	error
	problem *access.Problem
}

// Unwrap has the error first: what it is of stays known.
func (e *clusterError) Unwrap() []error { return []error{e.error, e.problem} }

// ofCluster makes an error a problem besides: phases return errors of an API server untold, and
// those of a cluster's own are for a condition. It is nil for nil.
func ofCluster(err error) error {
	if err == nil {
		return nil
	}
	return &clusterError{err, access.NewProblem(infrav1.UnavailableReason, "Waiting for the cluster's API server: %s", err.Error())}
}
