// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestDeletionGoesByRecordedIdentifiersOnlyInTheRecordedTailnet(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{TailnetMode: tailnetsim.Headscale})
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)

	elsewhere, err := tailnetsim.New(tailnetsim.Options{
		Mode: tailnetsim.Headscale, TagOwners: map[string][]string{helpers.ProviderTag: nil, helpers.NodeTag: nil, helpers.ControlPlaneTag: nil},
		APIKeys: []string{"hskey-api-elsewhere"},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(elsewhere.Start()).To(Succeed())
	t.Cleanup(elsewhere.Close)
	for i := range 20 {
		elsewhere.Add(fmt.Sprint("person-", i), func(d *tailnetsim.Device) { d.Tags = []string{helpers.NodeTag} })
	}
	secret := b.TailnetCredentials.DeepCopy()
	secret.ObjectMeta = metav1.ObjectMeta{Namespace: b.Namespace, Name: "elsewhere"}
	secret.Data = map[string][]byte{infrav1.TailnetAPIKeyKey: []byte("hskey-api-elsewhere")}
	other := helpers.NewTailnet(b.Namespace+"-elsewhere", secret, elsewhere.URL(), "10.251.0.0/24")
	other.Spec.Credentials.Type = infrav1.APIKey
	other.Spec.AllowedNamespaces.List = []string{b.Namespace}
	b.Create(t, secret, other)
	// The cluster is made anew, and names the other tailnet.
	spec := *b.infra.DeepCopy()
	g.Expect(b.Client.Delete(t.Context(), b.infra)).To(Succeed())
	again := helpers.NewOCIMeshCluster(b.cluster, other.Name, b.AccountNames())
	again.Spec.ControlPlaneEndpoint = spec.Spec.ControlPlaneEndpoint
	b.Create(t, again)

	b.settle(t, own, 5)
	g.Expect(helpers.ConditionsOf(own)).To(ContainElement("TailnetReady False DeviceLost"))
	b.delete(t, own)

	g.Expect(elsewhere.Devices()).To(HaveLen(20))
	g.Expect(b.Control.Devices()).To(BeEmpty(), "its own is removed")
}

// A cluster with a tailnet that never worked can be deleted: no key was ever received.
func TestAMachineWithoutAKeyIsDeletedWithoutTheTailnet(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	b.Control.SetUnreachable(true)
	own := b.machine(t, "machine")
	b.untilCondition(t, own, "Ready False Unavailable")
	b.delete(t, own)
	b.expectNothingLeft(t)
}
