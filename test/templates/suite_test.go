// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package templates tests the output of `clusterctl generate cluster`: every template is generated
// by clusterctl from a local repository and applied to a real API server with the CRDs of Cluster
// API, of this provider and, where CAPOM_CAAPH_CRDS names their folder, of the Helm add-on
// provider.
package templates

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	clusterctl "sigs.k8s.io/cluster-api/cmd/clusterctl/client"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/addons"
)

// caaphCRDs names the environment variable with the folder of CAAPH's CRDs, not part of this
// repository.
const caaphCRDs = "CAPOM_CAAPH_CRDS"

const root = "../.."

var (
	apiServer  client.Client
	apiConfig  *rest.Config
	generator  clusterctl.Client
	kubeconfig string
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		log.Fatal(err)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctrl.SetLogger(logr.Discard())
	crdFolders := []string{filepath.Join(root, "config/crd/bases")}
	capi, err := moduleDir("sigs.k8s.io/cluster-api")
	if err != nil {
		return 0, err
	}
	for _, folder := range []string{"core", "bootstrap/kubeadm", "controlplane/kubeadm"} {
		crdFolders = append(crdFolders, filepath.Join(capi, folder, "config/crd/bases"))
	}
	env := &envtest.Environment{CRDDirectoryPaths: crdFolders, ErrorIfCRDPathMissing: true}
	if folder := os.Getenv(caaphCRDs); folder != "" {
		env.CRDDirectoryPaths = append(env.CRDDirectoryPaths, folder)
	} else {
		log.Printf("%s is not set: HelmChartProxies are applied, but not validated against CAAPH's own schema", caaphCRDs)
		env.CRDs = append(env.CRDs, addons.CRDs()...)
	}
	if err := ports.ForServer(context.Background(), env); err != nil {
		return 0, err
	}
	if apiConfig, err = env.Start(); err != nil {
		return 0, fmt.Errorf("start the API server: %w", err)
	}
	defer func() {
		if err := env.Stop(); err != nil {
			log.Printf("stop the API server: %v", err)
		}
	}()
	if apiServer, err = client.New(apiConfig, client.Options{}); err != nil {
		return 0, err
	}
	folder, err := os.MkdirTemp("", "clusterctl")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	kubeconfig = filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(kubeconfig, env.KubeConfig, 0o600); err != nil {
		return 0, err
	}
	if generator, err = localClusterctl(folder); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// localClusterctl is clusterctl's own client over a repository in a folder, laid out as a release
// is.
func localClusterctl(folder string) (clusterctl.Client, error) {
	release := filepath.Join(folder, "infrastructure-ocimesh", "v0.1.0")
	if err := os.MkdirAll(release, 0o755); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(root, "templates/*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, file := range append(files, filepath.Join(root, "metadata.yaml")) {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(release, filepath.Base(file)), content, 0o600); err != nil {
			return nil, err
		}
	}
	// clusterctl reads the version from the path; the components themselves are not needed to
	// generate a cluster.
	components := filepath.Join(release, "infrastructure-components.yaml")
	if err := os.WriteFile(components, nil, 0o600); err != nil {
		return nil, err
	}
	config := filepath.Join(folder, "clusterctl.yaml")
	content := fmt.Sprintf("providers:\n- name: ocimesh\n  type: InfrastructureProvider\n  url: %s\n", components)
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		return nil, err
	}
	return clusterctl.New(context.Background(), config)
}

func moduleDir(module string) (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("find module %s: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}
