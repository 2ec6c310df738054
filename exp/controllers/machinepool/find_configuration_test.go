// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestAMovedPoolKeepsItsKeyAndItsConfigurationThereAndBack(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	first := newManaged(t, "first", 2)
	first.untilReady(t, 2)
	before, configuration, providerIDs := first.holdings(t), first.own.Status.Configuration, first.own.Spec.ProviderIDList

	second := first.restored(t, "second")
	second.untilReady(t, 2)
	g.Expect(second.holder(t)).To(Equal("second"))
	g.Expect(second.own.Status.Configuration).To(Equal(configuration))
	g.Expect(second.own.Spec.ProviderIDList).To(Equal(providerIDs))
	g.Expect(second.holdings(t)).To(Equal(before))
	g.Expect(second.own.Status.Ready).To(HaveValue(BeTrue()), "Cluster API need not wait")
	g.Expect(first.keys()).To(ConsistOf(configuration.KeyID))

	second.scaleTo(t, 3)
	second.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(second.own)).To(ContainElement("PoolReady False Claiming"))
	})
	second.sleep(window)
	second.untilReady(t, 3)
	g.Expect(second.own.Status.Configuration).To(Equal(configuration), "the key is not needed for that")
	second.changeBootstrap(t, "b")
	second.until(t, func(g Gomega) { g.Expect(second.own.Status.Configuration.Digest).NotTo(Equal(configuration.Digest)) })
	second.untilReady(t, 3)
	renewed := second.own.Status.Configuration
	g.Expect(renewed.KeyID).NotTo(Equal(configuration.KeyID), "the Secret with the first key did not come along")

	// Back, where the Secret with the first key still is, which the second has revoked.
	second.until(t, func(g Gomega) { g.Expect(second.keys()).To(ConsistOf(renewed.KeyID)) })
	g.Expect(first.Client.Status().Patch(t.Context(), first.own, client.RawPatch(types.MergePatchType, []byte(`{"status":null}`)))).To(Succeed())
	first.changeBootstrap(t, "b")
	first.scaleTo(t, 3)
	first.sleep(window)
	first.restart()
	first.untilClaim(t, infrav1.ClaimPending)
	first.until(t, func(g Gomega) { g.Expect(first.holder(t)).To(Equal("first")) })
	first.untilReady(t, 3)
	g.Expect(first.own.Status.Configuration).To(Equal(renewed))
	first.sleep(window)
	first.scaleTo(t, 4)
	first.untilReady(t, 4)
	first.changeBootstrap(t, "d")
	first.until(t, func(g Gomega) { g.Expect(first.own.Status.Configuration.Digest).NotTo(Equal(renewed.Digest)) })
	first.scaleTo(t, 5)
	first.untilReady(t, 5)
	first.delete(t)
	first.expectNothingLeft(t)
}

func TestAConfigurationOfAnEarlierReleaseIsFoundByItsTags(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	before := b.own.Status.Configuration
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	tags := poolid.Owner(b.own).Tags()
	tags["ocimesh-configuration-digest"], tags["ocimesh-configuration-key"] = before.Digest, before.KeyID
	id, err := c.CreateInstanceConfiguration(t.Context(), oci.LaunchSpec{
		DisplayName: "workers-" + before.Digest[:8], Shape: "VM.Standard.A1.Flex", ImageID: "ocid1.image.oc1..a",
	}, tags)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = c.UpdateInstancePool(t.Context(), ownership.Recorded(b.own.Status.Pool.ID), oci.PoolChange{ConfigurationID: id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.DeleteInstanceConfiguration(t.Context(), ownership.Recorded(before.ID))).To(Succeed())
	g.Expect(b.Client.Status().Patch(t.Context(), b.own, client.RawPatch(types.MergePatchType, []byte(`{"status":{"configuration":null}}`)))).To(Succeed())
	made := b.calls("CreateInstanceConfiguration")

	b.untilReady(t, 1)

	g.Expect(b.own.Status.Configuration.ID).To(Equal(id))
	g.Expect(b.own.Status.Configuration.Digest).To(Equal(before.Digest))
	g.Expect(b.calls("CreateInstanceConfiguration")).To(Equal(made))
}
