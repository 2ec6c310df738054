// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

func TestARetryTokenTellsPartsApart(t *testing.T) {
	g := NewWithT(t)
	g.Expect(cloud.RetryToken("a", "b")).To(Equal(cloud.RetryToken("a", "b")))
	g.Expect(cloud.RetryToken("a", "b")).To(HaveLen(64), "OCI takes no more characters")
	for _, other := range [][]string{{"b", "a"}, {"ab"}, {"a", "b", ""}, {"a\" \"b"}, {"a\nb"}} {
		g.Expect(cloud.RetryToken(other...)).NotTo(Equal(cloud.RetryToken("a", "b")), "%q", other)
	}
}

func TestAProviderIDNamesItsInstance(t *testing.T) {
	g := NewWithT(t)
	g.Expect(cloud.ProviderID("ocid1.instance.a")).To(Equal("oci://ocid1.instance.a"))
	g.Expect(cloud.InstanceIDOf("oci://ocid1.instance.a")).To(Equal("ocid1.instance.a"))
	g.Expect(cloud.InstanceIDOf("")).To(BeEmpty())
}
