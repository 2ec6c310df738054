// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mgmt is a management cluster without containers: a real etcd and
// kube-apiserver, Cluster API's core, kubeadm bootstrap and kubeadm control
// plane managers and, if asked for, this provider's, each as a process with its
// webhooks on. No kubelet, no kube-controller-manager and no cert-manager run:
// Deployments in the manifests are left out, certificates are made here, and
// objects with owner references are not garbage collected.
//
// Binaries come from hack/binaries.sh. The first use builds them, in minutes; afterwards a
// management cluster is up in a few seconds.
//
// It imports nothing of ours.
package mgmt
