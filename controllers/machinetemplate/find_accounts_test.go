// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
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

func TestATemplateThatNoAccountIsInReachOfSaysSo(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, *helpers.World){
		"no account is ready": func(*testing.T, *helpers.World) {},
		"no account allows the namespace": func(t *testing.T, w *helpers.World) {
			w.MakeReady(t)
			helpers.Update(t, w.Environment, w.Accounts[0], func(account *infrav1.OCIAccount) {
				account.Spec.AllowedNamespaces.List = []string{"somebody-elses"}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
			prepare(t, w)
			template := newTemplate(w, "template", infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12})
			w.Create(t, template)

			result := pass(t, w, template)

			helpers.ExpectConditions(t, template, "CapacityKnown False NoAccount")
			g.Expect(helpers.MessageOf(template, infrav1.CapacityKnownCondition)).To(ContainSubstring("shape VM.Standard.A1.Flex"))
			g.Expect(template.Status.Capacity).To(BeEmpty())
			g.Expect(result.RequeueAfter).To(BeNumerically("~", 5*time.Minute, time.Minute))
		})
	}
}
