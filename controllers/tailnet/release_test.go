// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"testing"

	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestADeletedTailnetWaitsForTheClustersThatUseIt(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t, tailnetsim.Tailscale)
	user := newUser(t, w, "c1", "10.250.0.7")
	reconciled(t, r, w.Tailnet)

	g.Expect(env.Client.Delete(t.Context(), w.Tailnet)).To(Succeed())
	reconciled(t, r, w.Tailnet)

	helpers.ExpectConditions(t, w.Tailnet, "Ready False InUse", "CredentialsValid True Ready", "StraysAbsent True Ready",
		"PolicyReady Unknown PolicyNotReadable", "RangesDistinct True Ready", "Deleting True InUse")
	g.Expect(w.Tailnet.Status.Users).To(ConsistOf(infrav1.ObjectUser{Namespace: w.Namespace, Name: "c1"}))

	g.Expect(env.Client.Delete(t.Context(), user)).To(Succeed())
	_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(w.Tailnet)})
	g.Expect(err).NotTo(HaveOccurred())
	env.ExpectGone(t, w.Tailnet)
}
