// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package nodesim simulates the start of an OCI instance: it reads its user data as a node would,
// joins the (simulated) tailnet, and then is a kubeadm node of a workload cluster in memory.
// Control planes serve an API server and an etcd member on the cluster's VIP: the real
// KubeadmControlPlane and MachineDeployment controllers go all the way to Available without a
// machine, a container or root.
//
// It refuses as a real node would, with a message on the instance's console log: malformed user
// data, an expired or used tailnet key, a bootstrap token unknown to the cluster, a foreign CA, a
// Kubernetes version outside kubeadm's permitted skew.
//
// The API server and etcd are Cluster API's own in-memory ones
// (sigs.k8s.io/cluster-api/test/infrastructure/inmemory); this package adds a
// listener per VIP address, client authentication, and the routes they lack.
//
// It knows the simulators only by the interfaces declared here.
package nodesim
