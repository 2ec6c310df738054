// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package index

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// indexer keeps what is asked of it.
type indexer map[string]client.IndexerFunc

func (i indexer) IndexField(_ context.Context, _ client.Object, field string, values client.IndexerFunc) error {
	i[field] = values
	return nil
}

func TestMachinesAreFoundByWhereTheyAreAndWhatTheyWaitFor(t *testing.T) {
	fields := indexer{}
	NewWithT(t).Expect(AddTo(t.Context(), fields)).To(Succeed())
	for name, c := range map[string]struct {
		change                       func(*infrav1.OCIMeshMachine)
		account, instance, unsettled []string
	}{
		"nothing is known yet": {func(*infrav1.OCIMeshMachine) {}, nil, nil, []string{Anywhere, Nowhere}},
		"placed":               {func(m *infrav1.OCIMeshMachine) { m.Status.Placement.Account = "alpha" }, []string{"alpha"}, nil, []string{Anywhere, "alpha"}},
		"provisioned":          {provisioned, []string{"alpha"}, []string{"ocid1.instance.oc1..a"}, nil},
		"on its way out": {func(m *infrav1.OCIMeshMachine) {
			provisioned(m)
			m.DeletionTimestamp = ptr.To(metav1.Now())
		}, []string{"alpha"}, []string{"ocid1.instance.oc1..a"}, []string{Anywhere, "alpha"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			machine := &infrav1.OCIMeshMachine{}
			c.change(machine)

			g.Expect(fields[MachineByAccount](machine)).To(Equal(c.account))
			g.Expect(fields[MachineByInstance](machine)).To(Equal(c.instance))
			g.Expect(fields[UnsettledMachine](machine)).To(Equal(c.unsettled))
		})
	}
}

func provisioned(m *infrav1.OCIMeshMachine) {
	m.Status.Placement.Account, m.Status.Instance.ID = "alpha", "ocid1.instance.oc1..a"
	m.Status.Initialization.Provisioned = ptr.To(true)
}
