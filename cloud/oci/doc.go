// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package oci acts in one Oracle Cloud account and region: identity, network, compute, block
// volumes, limits. Nothing of the SDK shows in its API: small structs of plain types go in and out.
//
// Every method makes its calls once: the SDK's retries and circuit breakers are off, so callers see
// each failure and decide. Every list is read to its last page. Every error is a *cloud.Error, but
// for context.Canceled from a cancelled context. A request failing with cloud.Unavailable may have
// taken effect: creating calls take a retry token for that reason.
package oci
