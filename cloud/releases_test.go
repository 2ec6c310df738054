// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestABuildIsOfItsRelease(t *testing.T) {
	for version, release := range map[string]string{
		"v1.36.2": "v1.36.2", "v1.36.2+own.1": "v1.36.2", "v1.37.0-rc.1+own.1": "v1.37.0-rc.1", "v1.36.2+v1.36.3+a": "v1.36.2", "": "",
	} {
		NewWithT(t).Expect(KubernetesRelease(version)).To(Equal(release), version)
	}
}
