// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kit builds the parts of the lab's machines, and keeps them in the cache of
// hack/binaries.sh: a root file system like Oracle's Ubuntu images (of Debian, the one archive the
// lab can count on), one with Kubernetes for each version, container images, and a certification
// authority trusted by all of them.
package kit
