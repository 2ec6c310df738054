// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
)

// releaseEndpoint gives the address back, after all that used it.
func releaseEndpoint(ctx context.Context, s *scope) error { return s.endpoint.Release(ctx, s) }
