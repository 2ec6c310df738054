// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	runtimehooksv1 "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/inplace"
)

// question is whether machines can be changed without others.
type question struct {
	// kind is of the provider's objects, and at where their specs are.
	kind string
	at   []string
	// current and desired are those objects, bootstrap the current and the desired bootstrap
	// config.
	current, desired runtime.RawExtension
	bootstrap        []runtime.RawExtension
	// from and to are the Machine's versions.
	from, to string
	// agents tells whether the nodes of all machines have the agent for versions. It is asked only
	// if that matters.
	agents func() (bool, error)
}

// answer has the patches for what is taken over, and why a version is not.
type answer struct {
	machine, infrastructure runtimehooksv1.Patch
	reason                  string
}

// decide returns no patch for what is of another provider.
func decide(q question) (out answer, err error) {
	from, err := specOf(infrav1.GroupVersion.Group, q.kind, q.current, q.at)
	if err != nil || from == nil {
		return out, err
	}
	to, err := specOf(infrav1.GroupVersion.Group, q.kind, q.desired, q.at)
	if err != nil || to == nil {
		return out, err
	}
	pointer := ""
	for _, part := range q.at {
		pointer += "/" + part
	}
	agents, err := q.hasAgents(from, to)
	if err != nil {
		return out, err
	}
	operations, err := inplace.Infrastructure(pointer, from, to, agents)
	if err != nil {
		return out, err
	}
	if out.infrastructure, err = patchOf(operations); err != nil || q.from == q.to {
		return out, err
	}
	if out.reason, err = q.needsMachine(agents); err != nil || out.reason != "" {
		return out, err
	}
	out.machine, err = patchOf([]inplace.Operation{{Op: "add", Path: pointer + "/version", Value: q.to}})
	return out, err
}

// hasAgents asks for the agents if a version changes, or volumes grow.
func (q question) hasAgents(from, to map[string]any) (bool, error) {
	before, _, _ := unstructured.NestedString(from, "tailscale", "version")
	after, _, _ := unstructured.NestedString(to, "tailscale", "version")
	volumes, err := inplace.VolumesDiffer(from, to)
	if err != nil || (q.from == q.to && before == after && !volumes) {
		return false, err
	}
	return q.agents()
}

// needsMachine says why another version of Kubernetes needs another machine; empty if it does not.
func (q question) needsMachine(agents bool) (string, error) {
	switch usual, err := q.usualPatches(); {
	case err != nil:
		return "", err
	case !inplace.KubernetesCanBecome(q.from, q.to):
		return "only a later patch or the next minor version is installed in place", nil
	case !agents:
		return "a node has no agent for versions: it was made with the gate closed, or its user data had no room", nil
	case !usual:
		return "kubeadm's patches are in another folder than " + inplace.PatchesFolder, nil
	}
	return "", nil
}

// usualPatches tells whether kubeadm has its patches where the node's agent has it look for them,
// or none. A first control plane has them by what was for kubeadm init.
func (q question) usualPatches() (bool, error) {
	for _, config := range q.bootstrap {
		if len(config.Raw) == 0 {
			continue
		}
		object, err := objectOf(config)
		if err != nil {
			return false, err
		}
		for _, configuration := range []string{"initConfiguration", "joinConfiguration"} {
			at := append(append([]string{}, q.at...), configuration, "patches", "directory")
			folder, _, err := unstructured.NestedString(object.Object, at...)
			if err != nil || (folder != "" && folder != inplace.PatchesFolder) {
				return false, err
			}
		}
	}
	return true, nil
}

func patchOf(operations []inplace.Operation) (runtimehooksv1.Patch, error) {
	if len(operations) == 0 {
		return runtimehooksv1.Patch{}, nil
	}
	text, err := json.Marshal(operations)
	return runtimehooksv1.Patch{PatchType: runtimehooksv1.JSONPatchType, Patch: text}, err
}
