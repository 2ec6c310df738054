// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package cilium pins the Helm chart of Cilium that the templates install, and the programs that
// the chart's images hold. The chart is part of Cilium's module, in install/kubernetes/cilium; the
// tests render it, and the lab installs it with these programs.
package cilium

import (
	_ "github.com/cilium/cilium/cilium-dbg"
	_ "github.com/cilium/cilium/cilium-health"
	_ "github.com/cilium/cilium/cilium-health/responder"
	_ "github.com/cilium/cilium/daemon"
	_ "github.com/cilium/cilium/operator"
	_ "github.com/cilium/cilium/plugins/cilium-cni"
	_ "github.com/cilium/cilium/tools/mount"
	_ "github.com/cilium/cilium/tools/sysctlfix"
)
