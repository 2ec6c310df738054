// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package helpers has the common parts of controllers' tests: one real API server per test package,
// simulated accounts and a simulated tailnet with their objects, builders of objects, and
// expectations in the form of sentences.
//
// Only tests and benchmarks import it.
package helpers
