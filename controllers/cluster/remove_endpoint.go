// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
)

// removeEndpoint removes what the endpoint has in the cluster's networks, which it keeps from being
// deleted.
func removeEndpoint(ctx context.Context, s *scope) error { return s.endpoint.Remove(ctx, s) }
