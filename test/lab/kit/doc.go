// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kit builds what the lab's machines are made of, and keeps it in the
// cache of hack/binaries.sh: a root file system like Oracle's Ubuntu images (of
// Debian, whose archive is what the lab can count on), one with Kubernetes for
// each version, container images, and a certification authority that all of them
// trust.
package kit
