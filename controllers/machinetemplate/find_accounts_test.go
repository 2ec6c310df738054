// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
)

func TestASelectionNarrowsTheAccounts(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 2})
	w.MakeReady(t)
	template := newTemplate(w, "template", infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12})
	template.Spec.Template.Spec.Accounts = infrav1.AccountSelection{Names: []string{w.Accounts[1].Name}}
	w.Create(t, template)
	pass(t, w, template)

	g.Expect(template.Status.Capacity).To(HaveKey(corev1.ResourceCPU))
	g.Expect(w.OCI.CallCounts(w.Tenancies[0].Name)).To(BeEmpty())
}
