// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const clusterName = "demo"

// applyTemplate has clusterctl generate the cluster from the release, and
// creates what it prints.
func (d *demo) applyTemplate(ctx context.Context) error {
	config, err := d.writeClusterctlConfig()
	if err != nil {
		return err
	}
	args := []string{
		"generate", "cluster", clusterName, "--config", config, "--kubeconfig", d.mgmt.Kubeconfig,
		"--infrastructure", "ocimesh:" + releaseVersion, "--target-namespace", namespace, "--kubernetes-version", oldVersion,
		"--control-plane-machine-count", strconv.Itoa(controlPlanes), "--worker-machine-count", strconv.Itoa(workers),
	}
	cmd := exec.CommandContext(ctx, d.binaries.Clusterctl, args...)
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(),
		"CLUSTERCTL_DISABLE_VERSIONCHECK=true",
		"OCIMESH_TAILNET="+tailnetName,
		"OCIMESH_WORKER_SHAPE="+workerShape,
		"OCIMESH_NODE_STARTUP_TIMEOUT=180",
		"OCIMESH_NODE_UNHEALTHY_TIMEOUT=5",
	)
	for i, a := range d.accounts {
		cmd.Env = append(cmd.Env, fmt.Sprintf("OCIMESH_ACCOUNT_%d=%s", i+1, a.name))
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	manifest, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("clusterctl generate cluster: %w\n%s", err, stderr.Bytes())
	}
	if err := os.WriteFile(filepath.Join(d.dir, "cluster.yaml"), manifest, 0o600); err != nil {
		return fmt.Errorf("keep the generated cluster: %w", err)
	}
	return d.apply(ctx, manifest)
}

// writeClusterctlConfig writes a clusterctl configuration in which the provider
// comes from the release just made.
func (d *demo) writeClusterctlConfig() (string, error) {
	components := filepath.Join(d.release, "infrastructure-ocimesh", releaseVersion, "infrastructure-components.yaml")
	data, err := yaml.Marshal(map[string]any{"providers": []map[string]string{
		{"name": "ocimesh", "type": "InfrastructureProvider", "url": components},
	}})
	if err != nil {
		return "", fmt.Errorf("write clusterctl's configuration: %w", err)
	}
	path := filepath.Join(d.dir, "clusterctl.yaml")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return "", fmt.Errorf("write clusterctl's configuration: %w", err)
	}
	return path, nil
}

func (d *demo) apply(ctx context.Context, manifest []byte) error {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		object := &unstructured.Unstructured{}
		if err == nil {
			err = yaml.Unmarshal(document, &object.Object)
		}
		if err != nil {
			return fmt.Errorf("read the generated cluster: %w", err)
		}
		if len(object.Object) == 0 {
			continue
		}
		if err := d.client.Create(ctx, object); err != nil {
			return fmt.Errorf("create %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		d.applied = append(d.applied, object)
	}
}
