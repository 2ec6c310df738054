// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package helpers is what tests of controllers share: one real API server per test package,
// simulated accounts and a simulated tailnet with the objects that stand for them, builders of
// objects, and expectations that read as sentences.
//
// Only tests and benchmarks import it. It may import everything but main.
package helpers
