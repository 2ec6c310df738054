// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"
)

// validatingWebhooks is the generated configuration with the match conditions that kustomize adds:
// without them every write of a machine would wait for a manager, a paused one included.
func validatingWebhooks(root string) (*admissionv1.ValidatingWebhookConfiguration, error) {
	var texts [2][]byte
	for i, name := range []string{"manifests.yaml", "match_conditions_patch.yaml"} {
		content, err := os.ReadFile(filepath.Join(root, "config", "webhook", name))
		if err != nil {
			return nil, fmt.Errorf("read the webhooks: %w", err)
		}
		if texts[i], err = yaml.YAMLToJSON([]byte(strings.TrimPrefix(string(content), "---\n"))); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	merged, err := strategicpatch.StrategicMergePatch(texts[0], texts[1], admissionv1.ValidatingWebhookConfiguration{})
	if err != nil {
		return nil, fmt.Errorf("add the match conditions: %w", err)
	}
	webhooks := &admissionv1.ValidatingWebhookConfiguration{}
	if err := yaml.UnmarshalStrict(merged, webhooks); err != nil {
		return nil, fmt.Errorf("read the merged webhooks: %w", err)
	}
	return webhooks, nil
}
