// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud

import "strings"

// KubernetesRelease is a version of Kubernetes without the name of a build of one's own, such as
// v1.36.2 for v1.36.2+own.1. Packages have no other version, and nodes are asked for no other.
func KubernetesRelease(version string) string {
	release, _, _ := strings.Cut(version, "+")
	return release
}
