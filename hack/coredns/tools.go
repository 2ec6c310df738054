// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package coredns pins kubeadm's name server, for the lab's clusters. It is a module of its own
// because it is built with other versions of Kubernetes' libraries than the rest.
package coredns

import (
	_ "github.com/coredns/coredns"
)
