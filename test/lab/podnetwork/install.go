// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package podnetwork

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"

	utilyaml "sigs.k8s.io/cluster-api/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

//go:embed manifests.yaml
var manifests []byte

// owner is the field manager of Install.
const owner = client.FieldOwner("capom-lab")

// Install installs the probes on a cluster.
func Install(ctx context.Context, c client.Client) error {
	objects, err := utilyaml.ToUnstructured(bytes.TrimSpace(manifests))
	if err != nil {
		return fmt.Errorf("read the probes' manifests: %w", err)
	}
	for i := range objects {
		object := &objects[i]
		if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), owner, client.ForceOwnership); err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}
