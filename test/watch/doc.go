// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package watch looks at a cluster while it is made and changed, tells what it
// still lacks, and shows it on a screen.
package watch
