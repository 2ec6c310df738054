// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package podnetwork

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "sigs.k8s.io/cluster-api/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

//go:embed manifests.yaml
var manifests []byte

// owner is the field manager of Install.
const owner = client.FieldOwner("capom-lab")

// Install installs the agent and the probes on a cluster, or changes their
// settings.
func Install(ctx context.Context, c client.Client, s Settings) error {
	objects, err := Manifests(s)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), owner, client.ForceOwnership); err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// Manifests are the objects of the agent and the probes.
func Manifests(s Settings) ([]*unstructured.Unstructured, error) {
	parsed, err := utilyaml.ToUnstructured(bytes.TrimSpace(manifests))
	if err != nil {
		return nil, fmt.Errorf("read the pod network's manifests: %w", err)
	}
	var objects []*unstructured.Unstructured
	for i := range parsed {
		if parsed[i].GetName() == "lab-agent" && parsed[i].GetKind() == "DaemonSet" {
			if err := s.addTo(&parsed[i]); err != nil {
				return nil, err
			}
		}
		objects = append(objects, &parsed[i])
	}
	return objects, nil
}

// addTo adds the settings to the agent's environment.
func (s Settings) addTo(daemonSet *unstructured.Unstructured) error {
	containers, _, err := unstructured.NestedSlice(daemonSet.Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) != 1 {
		return errors.Join(errors.New("the agent's DaemonSet has not one container"), err)
	}
	container := containers[0].(map[string]any)
	env := container["env"].([]any)
	for _, v := range [][2]string{
		{"ROUTING_MODE", s.RoutingMode}, {"K8S_SERVICE_HOST", s.Host}, {"K8S_SERVICE_PORT", s.Port},
		{"MTU", strconv.Itoa(s.MTU)}, {"POD_CIDR", s.PodCIDR}, {"MARK", s.Mark},
	} {
		env = append(env, map[string]any{"name": v[0], "value": v[1]})
	}
	container["env"] = env
	return unstructured.SetNestedSlice(daemonSet.Object, containers, "spec", "template", "spec", "containers")
}
