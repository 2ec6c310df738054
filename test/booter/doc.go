// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package booter is what a simulated OCI instance does when it starts: it reads
// its user data as a node would, joins the (simulated) tailnet, and then is a
// kubeadm node of a workload cluster that lives in memory. Control planes serve
// an API server and an etcd member on the cluster's VIP, so that the real
// KubeadmControlPlane and MachineDeployment controllers go all the way to
// Available without a machine, a container or root.
//
// What a real node would refuse is refused here, and said on the instance's
// console log: malformed user data, a tailnet key that is expired or used, a
// bootstrap token the cluster does not know, a CA that is not the cluster's, a
// Kubernetes version outside the skew kubeadm allows.
//
// The API server and etcd are Cluster API's own in-memory ones
// (sigs.k8s.io/cluster-api/test/infrastructure/inmemory); this package adds a
// listener per VIP address, client authentication, and the routes they lack.
//
// It may import cloud/cloudinit and Cluster API, and knows the simulators only
// by the interfaces declared here.
package booter
