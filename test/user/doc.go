// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package user plays the part of a management cluster's user: it makes a release, creates
// accounts and a tailnet with their Secrets, has clusterctl generate a cluster and creates it.
package user
