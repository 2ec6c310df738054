// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package cilium pins the Helm chart of Cilium that the templates install: it is part of Cilium's
// module, in install/kubernetes/cilium. The tests render it.
package cilium

import (
	// Nothing of Cilium is built: it is required for its chart, and this package of it needs
	// nothing else.
	_ "github.com/cilium/cilium/pkg/u8proto"
)
