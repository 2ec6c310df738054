// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package placement decides where a machine may be launched, in which order of preference, and why
// nowhere else.
//
// It is a pure function of facts: it reads no clock, calls nobody and gives the same answer to the
// same facts.
package placement
