// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"testing"

	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestATemplateOfAnotherManagerIsLeftAlone(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	w.MakeReady(t)
	template := newTemplate(w, "theirs", infrav1.Shape{Name: "VM.Standard.E2.1.Micro"})
	w.Create(t, template)
	r := &Reconciler{Client: env.Client, Access: w.Clients, WatchFilterValue: "mine"}

	// Such requests come of events of accounts, which carry a label of their own.
	_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(template)})

	g.Expect(err).NotTo(HaveOccurred())
	w.Reload(t, template)
	g.Expect(template.Status.Conditions).To(BeEmpty())
}
