// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package capi pins the Cluster API managers and clusterctl for the demo and tests to run as
// processes. It is a module of its own: they are built with the dependencies of Cluster API's
// release.
package capi

import (
	_ "sigs.k8s.io/cluster-api/bootstrap/kubeadm"
	_ "sigs.k8s.io/cluster-api/cmd/clusterctl"
	_ "sigs.k8s.io/cluster-api/controlplane/kubeadm"
	_ "sigs.k8s.io/cluster-api/core"
)
