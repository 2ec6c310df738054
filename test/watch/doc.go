// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package watch observes a cluster while it is made and changed, names its missing parts, and shows
// it on a screen.
package watch
