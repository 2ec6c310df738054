// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"os"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

func newTemplate(w *helpers.World, name string, shape infrav1.Shape) *infrav1.OCIMeshMachineTemplate {
	return &infrav1.OCIMeshMachineTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: name},
		Spec: infrav1.OCIMeshMachineTemplateSpec{Template: infrav1.OCIMeshMachineTemplateResource{
			Spec: infrav1.OCIMeshMachineSpec{Shapes: []infrav1.Shape{shape}, Image: infrav1.Image{Name: "golden"}},
		}},
	}
}

func pass(t *testing.T, w *helpers.World, template *infrav1.OCIMeshMachineTemplate) ctrl.Result {
	t.Helper()
	r := &Reconciler{Client: env.Client, Access: w.Clients}
	result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(template)})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	w.Reload(t, template)
	return result
}
