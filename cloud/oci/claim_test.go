// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

func TestOneTagChangesAndTheOthersStay(t *testing.T) {
	for path, update := range map[string]func(context.Context, *oci.Client, oci.TagChange) error{
		"/20160918/instances/x": func(ctx context.Context, c *oci.Client, change oci.TagChange) error {
			_, err := c.UpdateInstanceTag(ctx, ownership.Recorded("x"), change)
			return err
		},
		"/20160918/vcns/x": func(ctx context.Context, c *oci.Client, change oci.TagChange) error {
			return c.UpdateVCNTag(ctx, ownership.Recorded("x"), change)
		},
		"/20170115/loadBalancers/x": func(ctx context.Context, c *oci.Client, change oci.TagChange) error {
			_, err := c.LoadBalancers().UpdateTag(ctx, ownership.Recorded("x"), change)
			return err
		},
		"/20200501/networkLoadBalancers/x": func(ctx context.Context, c *oci.Client, change oci.TagChange) error {
			_, err := c.NetworkLoadBalancers().UpdateTag(ctx, ownership.Recorded("x"), change)
			return err
		},
	} {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on("GET "+path, answer(200, `{"id":"x","freeformTags":{"held":"a","team":"b"}}`, "Etag", "e1"))
			f.on("PUT "+path, answer(200, `{"id":"x"}`))
			client := newClient(t, f)

			g.Expect(update(t.Context(), client, oci.TagChange{Key: "held", From: "a", To: "c"})).To(Succeed())

			g.Expect(f.seen()).To(HaveLen(2))
			g.Expect(f.seen()[1].body).To(ContainSubstring(`"freeformTags":{"held":"c","team":"b"}`))
			g.Expect(f.seen()[1].header.Get("If-Match")).To(Equal("e1"))
			err := update(t.Context(), client, oci.TagChange{Key: "held", From: "z", To: "c"})
			g.Expect(cloud.IsKind(err, cloud.Conflict)).To(BeTrue(), "%v", err)
			g.Expect(f.seen()).To(HaveLen(3), "nothing is changed that somebody else has changed")
		})
	}
}
