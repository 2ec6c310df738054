// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package exp is the place of kinds behind a feature gate, with their controllers in
// exp/controllers. Their API is in api/exp. Machine pools are there, behind the gate MachinePool.
package exp
