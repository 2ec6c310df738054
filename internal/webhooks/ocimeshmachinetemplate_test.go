// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package webhooks

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

// serve installs the shipped webhook configuration, and the webhooks behind it.
func serve(t *testing.T, inPlaceUpdates bool) {
	t.Helper()
	g := NewWithT(t)
	port, err := ports.Reserve(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	install := envtest.WebhookInstallOptions{
		ValidatingWebhooks: []*admissionregistrationv1.ValidatingWebhookConfiguration{configuration(t)},
		LocalServingHost:   "127.0.0.1", LocalServingPort: port,
	}
	g.Expect(install.Install(env.Config)).To(Succeed())
	t.Cleanup(func() { _ = install.Cleanup() })
	mgr, err := ctrl.NewManager(env.Config, manager.Options{
		Scheme: env.Scheme, Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
		WebhookServer: webhook.NewServer(webhook.Options{
			Host: install.LocalServingHost, Port: install.LocalServingPort, CertDir: install.LocalServingCertDir,
		}),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(OCIMeshMachineTemplate{}.SetupWithManager(mgr)).To(Succeed())
	g.Expect(OCIMeshMachine{InPlaceUpdates: inPlaceUpdates}.SetupWithManager(mgr)).To(Succeed())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(t.Context()) }()
	t.Cleanup(func() { g.Expect(<-ended).To(Succeed()) })
	started := mgr.GetWebhookServer().StartedChecker()
	g.Eventually(func() error { return started(&http.Request{}) }).WithTimeout(time.Minute).Should(Succeed())
}

// configuration is the generated one with the conditions that kustomize adds.
func configuration(t *testing.T) *admissionregistrationv1.ValidatingWebhookConfiguration {
	t.Helper()
	g := NewWithT(t)
	read := func(name string) *admissionregistrationv1.ValidatingWebhookConfiguration {
		text, err := os.ReadFile(filepath.Join("..", "..", "config", "webhook", name))
		g.Expect(err).NotTo(HaveOccurred())
		out := &admissionregistrationv1.ValidatingWebhookConfiguration{}
		g.Expect(yaml.Unmarshal(text, out)).To(Succeed())
		return out
	}
	generated, patched := read("manifests.yaml"), 0
	for _, patch := range read("match_conditions_patch.yaml").Webhooks {
		for i := range generated.Webhooks {
			if generated.Webhooks[i].Name == patch.Name {
				generated.Webhooks[i].MatchConditions = patch.MatchConditions
				patched++
			}
		}
	}
	g.Expect(patched).To(Equal(1))
	return generated
}

func newTemplate(namespace, name string) *infrav1.OCIMeshMachineTemplate {
	return &infrav1.OCIMeshMachineTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: infrav1.OCIMeshMachineTemplateSpec{Template: infrav1.OCIMeshMachineTemplateResource{
			Spec: infrav1.OCIMeshMachineSpec{
				Shapes: []infrav1.Shape{{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12}},
				Image:  infrav1.Image{Name: "golden"},
			},
		}},
	}
}

func TestATemplateIsImmutableButInTheTopologyControllersDryRuns(t *testing.T) {
	g := NewWithT(t)
	serve(t, false)
	template := newTemplate(env.Namespace(t, nil), "template")
	env.Create(t, template)

	changed := template.DeepCopy()
	changed.Spec.Template.Spec.Shapes[0].OCPUs = 4
	err := env.Client.Update(t.Context(), changed.DeepCopy())
	g.Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
	g.Expect(err).To(MatchError(ContainSubstring("create a new template")))
	g.Expect(env.Client.Update(t.Context(), changed.DeepCopy(), client.DryRunAll)).NotTo(Succeed(), "a person's dry run tells the truth")

	trial := changed.DeepCopy()
	trial.Annotations = map[string]string{clusterv1.TopologyDryRunAnnotation: ""}
	g.Expect(env.Client.Update(t.Context(), trial, client.DryRunAll)).To(Succeed())

	labelled := template.DeepCopy()
	labelled.Labels = map[string]string{"team": "red"}
	g.Expect(env.Client.Update(t.Context(), labelled)).To(Succeed(), "the object's own metadata is free")

	bad := newTemplate(template.Namespace, "bad")
	bad.Spec.Template.ObjectMeta.Labels = map[string]string{"not a label": ""}
	g.Expect(apierrors.IsInvalid(env.Client.Create(t.Context(), bad))).To(BeTrue())
}

func TestWhatTheWebhookDecides(t *testing.T) {
	g := NewWithT(t)
	before, after := newTemplate("default", "template"), newTemplate("default", "template")
	ctx := admission.NewContextWithRequest(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{}})

	_, err := OCIMeshMachineTemplate{}.ValidateUpdate(ctx, before, after)
	g.Expect(err).NotTo(HaveOccurred())
	after.Spec.Template.Spec.Image.Name = "silver"
	_, err = OCIMeshMachineTemplate{}.ValidateUpdate(ctx, before, after)
	g.Expect(apierrors.IsInvalid(err)).To(BeTrue())
	_, err = OCIMeshMachineTemplate{}.ValidateUpdate(t.Context(), before, before)
	g.Expect(apierrors.IsBadRequest(err)).To(BeTrue(), "without a request nothing is decided")
	_, err = OCIMeshMachineTemplate{}.ValidateDelete(ctx, before)
	g.Expect(err).NotTo(HaveOccurred())
}
