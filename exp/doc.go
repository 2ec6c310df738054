// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package exp is the place of kinds behind a feature gate, with their API in exp/api and their
// controllers in exp/controllers. Machine pools are there, behind the gate MachinePool.
package exp
