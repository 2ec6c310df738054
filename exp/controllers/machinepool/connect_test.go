// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestANamespaceThatLostPermissionEndsWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	b.untilReady(t, 2)
	helpers.Update(t, b.Environment, b.Accounts[0], func(a *infrav1.OCIAccount) { a.Spec.AllowedNamespaces.List = []string{"somebody-else"} })
	helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.AllowedNamespaces.List = []string{"somebody-else"} })
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("ConfigurationReady False NamespaceNotAllowed"))
	})

	b.delete(t)
	b.expectNothingLeft(t)
}
