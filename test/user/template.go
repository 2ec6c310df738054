// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package user

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
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// ReleaseVersion is the version of Release's release.
const ReleaseVersion = "v0.1.0"

// Release writes a clusterctl repository of the working tree at root into the
// folder dir, as "make release-manifests" does.
func Release(ctx context.Context, root, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the release's folder: %w", err)
	}
	return Command(ctx, root, filepath.Join(root, "hack", "release-manifests.sh"), ReleaseVersion, "capom:"+ReleaseVersion, dir)
}

// Command runs a program in a folder; its output is shown only when it fails.
func Command(ctx context.Context, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, out)
	}
	return nil
}

// Generation is the input of clusterctl for generating a cluster.
type Generation struct {
	// Clusterctl is the program, Kubeconfig the management cluster's, Release the folder written by
	// Release, and Dir takes clusterctl's files and the result.
	Clusterctl, Kubeconfig, Release, Dir string

	Name, Namespace, Version string
	// Flavor is empty for the default one.
	Flavor                 string
	ControlPlanes, Workers int
	// Environment are the template's variables, as NAME=value.
	Environment []string
}

// Generate has clusterctl generate a cluster from the release.
func Generate(ctx context.Context, g Generation) ([]*unstructured.Unstructured, error) {
	config, err := writeClusterctlConfig(g)
	if err != nil {
		return nil, err
	}
	args := []string{
		"generate", "cluster", g.Name, "--config", config, "--kubeconfig", g.Kubeconfig,
		"--infrastructure", "ocimesh:" + ReleaseVersion, "--target-namespace", g.Namespace, "--kubernetes-version", g.Version,
		"--control-plane-machine-count", strconv.Itoa(g.ControlPlanes), "--worker-machine-count", strconv.Itoa(g.Workers),
	}
	if g.Flavor != "" {
		args = append(args, "--flavor", g.Flavor)
	}
	manifest, err := clusterctl(ctx, g.Clusterctl, g.Dir, g.Environment, args...)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(g.Dir, g.Name+".yaml"), manifest, 0o600); err != nil {
		return nil, fmt.Errorf("keep the generated cluster: %w", err)
	}
	return parse(manifest)
}

// Move has clusterctl, a program, move the objects of the clusters of a namespace. The arguments
// name source and target; relative paths in them start from the folder dir.
func Move(ctx context.Context, program, dir, namespace string, args ...string) error {
	// The configuration of the user running this must have no effect.
	_, err := clusterctl(ctx, program, dir, []string{"XDG_CONFIG_HOME=" + dir}, append([]string{"move", "--namespace", namespace}, args...)...)
	return err
}

func clusterctl(ctx context.Context, program, dir string, environment []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "CLUSTERCTL_DISABLE_VERSIONCHECK=true"), environment...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("clusterctl %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return out, nil
}

// writeClusterctlConfig writes a clusterctl configuration with the provider from the new release.
func writeClusterctlConfig(g Generation) (string, error) {
	components := filepath.Join(g.Release, "infrastructure-ocimesh", ReleaseVersion, "infrastructure-components.yaml")
	data, err := yaml.Marshal(map[string]any{"providers": []map[string]string{
		{"name": "ocimesh", "type": "InfrastructureProvider", "url": components},
	}})
	if err != nil {
		return "", fmt.Errorf("write clusterctl's configuration: %w", err)
	}
	path := filepath.Join(g.Dir, "clusterctl.yaml")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return "", fmt.Errorf("write clusterctl's configuration: %w", err)
	}
	return path, nil
}

func parse(manifest []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		object := &unstructured.Unstructured{}
		if err == nil {
			err = yaml.Unmarshal(document, &object.Object)
		}
		if err != nil {
			return nil, fmt.Errorf("read the generated cluster: %w", err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// Create creates objects in their order.
func Create[T client.Object](ctx context.Context, c client.Client, objects []T) error {
	for _, o := range objects {
		if err := c.Create(ctx, o); err != nil {
			return fmt.Errorf("create %s %T %s: %w", o.GetObjectKind().GroupVersionKind().Kind, o, o.GetName(), err)
		}
	}
	return nil
}
