// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"os"
	"path/filepath"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

// deployedEnvironment is what the manager's Deployment sets, but for what comes from its Pod: the
// collector of garbage is bounded as in a cluster.
func deployedEnvironment(root string) ([]string, error) {
	content, err := os.ReadFile(filepath.Join(root, "config", "manager", "manager.yaml"))
	if err != nil {
		return nil, fmt.Errorf("read the manager's Deployment: %w", err)
	}
	deployment := &appsv1.Deployment{}
	if err := yaml.Unmarshal(content, deployment); err != nil {
		return nil, fmt.Errorf("read the manager's Deployment: %w", err)
	}
	var environment []string
	for _, container := range deployment.Spec.Template.Spec.Containers {
		for _, variable := range container.Env {
			if variable.ValueFrom == nil {
				environment = append(environment, variable.Name+"="+variable.Value)
			}
		}
	}
	return environment, nil
}
