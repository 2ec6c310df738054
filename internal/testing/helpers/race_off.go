// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package helpers

const raceDetector = false
