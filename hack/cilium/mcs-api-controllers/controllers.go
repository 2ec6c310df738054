// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers stands in for the module sigs.k8s.io/mcs-api/controllers, which the Go module
// proxy does not have at the version that Cilium requires. Cilium uses this one constant of it.
package controllers

// DerivedServiceAnnotation names the Service that stands for a ServiceImport.
const DerivedServiceAnnotation = "multicluster.kubernetes.io/derived-service"
