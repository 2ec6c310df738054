// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package operator does what an operator of a management cluster does by hand:
// it makes a release, creates accounts and a tailnet with their Secrets, has
// clusterctl generate a cluster and creates it.
package operator
