// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// lean leaves the versions that are stored, and of Cluster API the kinds that this provider's
// controllers meet. The rest are three quarters of what an API server has to read and to serve.
func lean(crds []*apiextensionsv1.CustomResourceDefinition) []*apiextensionsv1.CustomResourceDefinition {
	crds = slices.DeleteFunc(crds, func(crd *apiextensionsv1.CustomResourceDefinition) bool {
		others := strings.HasSuffix(crd.Spec.Group, "."+clusterv1.GroupVersion.Group) && !strings.HasPrefix(crd.Spec.Group, "infrastructure.")
		return others || crd.Spec.Names.Kind == "ClusterClass"
	})
	for _, crd := range crds {
		crd.Spec.Versions = slices.DeleteFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return !v.Storage })
	}
	return crds
}

// CRDs reads those of Cluster API's core and of this provider, with the contract labels added by
// kustomize for a release.
func CRDs() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	const capi, own = "sigs.k8s.io/cluster-api", "github.com/ocimesh/cluster-api-provider-ocimesh"
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", capi, own).Output() //nolint:noctx // A local look-up.
	if err != nil {
		return nil, fmt.Errorf("looking up the folders of modules %s and %s: %w", capi, own, err)
	}
	folders := strings.Split(strings.TrimSpace(string(out)), "\n")
	var all []*apiextensionsv1.CustomResourceDefinition
	for folder, version := range map[string]string{
		filepath.Join(folders[0], "core", "config", "crd", "bases"): "v1beta2",
		filepath.Join(folders[1], "config", "crd", "bases"):         "v1alpha1",
	} {
		options := envtest.CRDInstallOptions{Paths: []string{folder}, ErrorIfPathMissing: true}
		if err := envtest.ReadCRDFiles(&options); err != nil {
			return nil, err
		}
		all = append(all, labelled(options.CRDs, version)...)
	}
	return all, nil
}

func labelled(crds []*apiextensionsv1.CustomResourceDefinition, version string) []*apiextensionsv1.CustomResourceDefinition {
	for _, crd := range crds {
		if crd.Labels == nil {
			crd.Labels = map[string]string{}
		}
		crd.Labels["cluster.x-k8s.io/v1beta2"] = version
	}
	return crds
}
