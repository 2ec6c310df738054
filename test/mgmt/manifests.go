// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package mgmt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	clusterctlv1 "sigs.k8s.io/cluster-api/cmd/clusterctl/api/v1alpha3"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
)

// manifests are the objects of a provider's components with a use without containers.
type manifests struct {
	crds       []*apiextensionsv1.CustomResourceDefinition
	mutating   []*admissionregistrationv1.MutatingWebhookConfiguration
	validating []*admissionregistrationv1.ValidatingWebhookConfiguration
}

// buildManifests runs kustomize on a folder, as a release does: the contract labels and the names
// of the webhook configurations are the real ones.
func buildManifests(ctx context.Context, kustomize, folder string) (manifests, error) {
	out, err := run(ctx, folder, kustomize, "build", ".")
	if err != nil {
		return manifests{}, err
	}
	m, err := parseManifests(out)
	if err != nil {
		return m, fmt.Errorf("read the manifests of %s: %w", folder, err)
	}
	return m, nil
}

func parseManifests(data []byte) (manifests, error) {
	var m manifests
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return m, err
		}
		if err := m.add(document); err != nil {
			return m, err
		}
	}
}

func (m *manifests) add(document []byte) error {
	var meta metav1.TypeMeta
	if err := yaml.Unmarshal(document, &meta); err != nil {
		return err
	}
	switch meta.Kind {
	case "CustomResourceDefinition":
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(document, crd); err != nil {
			return err
		}
		// clusterctl finds the objects to describe and move by this label.
		metav1.SetMetaDataLabel(&crd.ObjectMeta, clusterctlv1.ClusterctlLabel, "")
		m.crds = append(m.crds, crd)
	case "MutatingWebhookConfiguration":
		w := &admissionregistrationv1.MutatingWebhookConfiguration{}
		if err := yaml.Unmarshal(document, w); err != nil {
			return err
		}
		m.mutating = append(m.mutating, w)
	case "ValidatingWebhookConfiguration":
		w := &admissionregistrationv1.ValidatingWebhookConfiguration{}
		if err := yaml.Unmarshal(document, w); err != nil {
			return err
		}
		m.validating = append(m.validating, w)
	}
	return nil
}

// install creates the objects, with webhooks and conversion directed at a local port, and returns
// the port and the folder of its certificate.
func (m manifests) install(ctx context.Context, config *rest.Config, certDir string) (port int, err error) {
	if port, err = ports.Reserve(ctx); err != nil {
		return 0, err
	}
	hooks := envtest.WebhookInstallOptions{
		MutatingWebhooks: m.mutating, ValidatingWebhooks: m.validating,
		IgnoreSchemeConvertible: true, LocalServingHost: "127.0.0.1", LocalServingPort: port,
	}
	if err := allowLoopback(m.crds); err != nil {
		return 0, err
	}
	if err := hooks.PrepWithoutInstalling(); err != nil {
		return 0, fmt.Errorf("prepare webhooks: %w", err)
	}
	// envtest chooses a folder of its own; certificates belong beside the logs,
	// where clean-up finds them.
	if err := moveFiles(hooks.LocalServingCertDir, certDir); err != nil {
		return 0, err
	}
	if _, err := envtest.InstallCRDs(config, envtest.CRDInstallOptions{CRDs: m.crds, WebhookOptions: hooks, MaxTime: controlTimeout}); err != nil {
		return 0, fmt.Errorf("install CRDs: %w", err)
	}
	if err := hooks.Install(config); err != nil {
		return 0, fmt.Errorf("install webhook configurations: %w", err)
	}
	return port, nil
}

func moveFiles(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("read the webhook certificate: %w", err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return fmt.Errorf("read the webhook certificate: %w", err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), data, 0o600); err != nil {
			return fmt.Errorf("write the webhook certificate: %w", err)
		}
	}
	if err := os.RemoveAll(from); err != nil {
		return fmt.Errorf("remove the temporary webhook certificate: %w", err)
	}
	return nil
}
