// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestAPollOfAGoodAccountIsTwoCalls(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	reconciled(t, r, w.Accounts[0])
	w.OCI.ResetCalls()

	reconciled(t, r, w.Accounts[0])

	g.Expect(w.OCI.CallCounts("")).To(Equal(map[string]int{"ListInstances": 2, "ListVcns": 2}), "two polls")
}

func TestAnAccountOfAnotherManagerIsLeftAlone(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	r.Options.WatchFilterValue = "mine"

	reconciled(t, r, w.Accounts[0])

	g.Expect(w.Accounts[0].Finalizers).To(BeEmpty())
	helpers.Update(t, env, w.Accounts[0], func(a *infrav1.OCIAccount) { a.Labels = map[string]string{clusterv1.WatchLabel: "mine"} })
	reconciled(t, r, w.Accounts[0])
	g.Expect(w.Accounts[0].Finalizers).NotTo(BeEmpty())
}

func TestAPassWaitsForItsTurnAmongTheCallsOfTheAccount(t *testing.T) {
	limits := oci.Unlimited()
	limits.Reads = oci.Budget{PerSecond: 50, Burst: 1}
	w, r := newPolled(t, helpers.WorldOptions{Limits: &limits})

	reconciled(t, r, w.Accounts[0])

	NewWithT(t).Expect(helpers.ConditionsOf(w.Accounts[0])).To(ContainElement("Ready True Ready"))
}
