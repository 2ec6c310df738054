// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"os"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/ocisim/sim"
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

func TestTheCapacityIsThatOfTheFirstShape(t *testing.T) {
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	w.MakeReady(t)
	for name, world := range map[string]struct {
		shape       infrav1.Shape
		cpu, memory string
		arch        infrav1.Architecture
	}{
		"arm-flexible": {infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12}, "2", "12Gi", infrav1.ArchitectureArm64},
		"x86-flexible": {infrav1.Shape{Name: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 12}, "4", "12Gi", infrav1.ArchitectureAmd64},
		"x86-fixed":    {infrav1.Shape{Name: "VM.Standard.E2.1.Micro"}, "2", "1Gi", infrav1.ArchitectureAmd64},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			template := newTemplate(w, name, world.shape)
			w.Create(t, template)
			pass(t, w, template)

			g.Expect(template.Status.Capacity.Cpu().Cmp(resource.MustParse(world.cpu))).To(BeZero(), template.Status.Capacity.Cpu().String())
			g.Expect(template.Status.Capacity.Memory().Cmp(resource.MustParse(world.memory))).To(BeZero())
			g.Expect(template.Status.NodeInfo).To(Equal(infrav1.NodeInfo{Architecture: world.arch, OperatingSystem: "linux"}))
			helpers.ExpectConditions(t, template, "CapacityKnown True Ready")
			calls := len(w.OCI.Calls())
			pass(t, w, template)
			g.Expect(w.OCI.Calls()).To(HaveLen(calls), "what is known is not asked for again")
		})
	}
}

func TestWhyACapacityIsNotKnown(t *testing.T) {
	a1 := infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12}
	for name, world := range map[string]struct {
		shape   infrav1.Shape
		prepare func(*testing.T, *helpers.World)
		want    string
	}{
		"no account is ready": {a1, func(*testing.T, *helpers.World) {}, "CapacityKnown False NoAccount"},
		"no account allows the namespace": {
			a1, func(t *testing.T, w *helpers.World) {
				w.MakeReady(t)
				helpers.Update(t, w.Environment, w.Accounts[0], func(account *infrav1.OCIAccount) {
					account.Spec.AllowedNamespaces.List = []string{"somebody-elses"}
				})
			}, "CapacityKnown False NoAccount",
		},
		"nobody knows the shape": {
			infrav1.Shape{Name: "VM.Standard.Z9.Flex", OCPUs: 1, MemoryGB: 1},
			func(t *testing.T, w *helpers.World) { w.MakeReady(t) }, "CapacityKnown False ShapeUnknown",
		},
		"the account does not answer": {
			a1, func(t *testing.T, w *helpers.World) {
				w.MakeReady(t)
				w.OCI.AddFault(sim.Fault{Operation: "ListShapes", Status: 503, Code: "ServiceUnavailable"})
			}, "CapacityKnown False Unavailable",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
			world.prepare(t, w)
			template := newTemplate(w, "template", world.shape)
			w.Create(t, template)
			result := pass(t, w, template)

			helpers.ExpectConditions(t, template, world.want)
			g.Expect(template.Status.Capacity).To(BeEmpty())
			g.Expect(result.RequeueAfter).NotTo(BeZero())
		})
	}
}

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
