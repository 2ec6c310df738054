// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package capi pins the Cluster API managers and clusterctl that the demo and
// tests run as processes. It is a module of its own so that they are built with
// the dependencies Cluster API was released with.
package capi

import (
	_ "sigs.k8s.io/cluster-api/bootstrap/kubeadm"
	_ "sigs.k8s.io/cluster-api/cmd/clusterctl"
	_ "sigs.k8s.io/cluster-api/controlplane/kubeadm"
	_ "sigs.k8s.io/cluster-api/core"
)
