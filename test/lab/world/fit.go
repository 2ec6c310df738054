// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/mirror"
)

const (
	// Patches is where kubeadm finds patches of what it writes.
	Patches = "/etc/kubernetes/patches"
	// kubeletPatch is for kernels with control groups of the first version, and for control groups
	// not managed by systemd. The disk is the host's: kubelet's shares of it would evict pods where
	// gigabytes are free.
	kubeletPatch = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
failSwapOn: false
imageGCHighThresholdPercent: 100
evictionHard:
  memory.available: 50Mi
  nodefs.available: 100Mi
  imagefs.available: 100Mi
  nodefs.inodesFree: "10000"
`
)

// fit changes settings for the lab's machines: the image, tailscale from it, and kubelet's settings
// for the host's control groups.
func fit(object *unstructured.Unstructured, version string) error {
	if object.GetKind() != "OCIMeshMachineTemplate" {
		return fitKubeadm(object)
	}
	unstructured.RemoveNestedField(object.Object, "spec", "template", "spec", "image")
	return set(object, map[string]any{
		"spec.template.spec.image":     map[string]any{"name": imageName(version)},
		"spec.template.spec.tailscale": map[string]any{"source": "Preinstalled"},
	})
}

// fitInstalled is fit for machines that install their packages: they keep the template's image and
// have lists of their own, since the key of the lab's repositories is not upstream's.
func fitInstalled(object *unstructured.Unstructured, tailscale string) error {
	if object.GetKind() != "OCIMeshMachineTemplate" {
		return fitKubeadm(object,
			File("/etc/apt/sources.list.d/kubernetes.list", mirror.OwnLine+"\n"),
			File("/etc/apt/sources.list.d/containerd.list", "# Beside Kubernetes.\n"),
			File("/etc/apt/sources.list.d/tailscale.list", "# Beside Kubernetes.\n"))
	}
	return set(object, map[string]any{"spec.template.spec.tailscale": map[string]any{"source": "Packages", "version": tailscale}})
}

func fitKubeadm(object *unstructured.Unstructured, files ...any) error {
	switch object.GetKind() {
	case "KubeadmControlPlane":
		return set(object, kubeadm(files, "spec.kubeadmConfigSpec.", "initConfiguration", "joinConfiguration"))
	case "KubeadmConfigTemplate":
		return set(object, kubeadm(files, "spec.template.spec.", "joinConfiguration"))
	}
	return nil
}

func kubeadm(files []any, prefix string, configurations ...string) map[string]any {
	fields := map[string]any{prefix + "files": append(files, File(Patches+"/kubeletconfiguration0+merge.yaml", kubeletPatch))}
	for _, name := range configurations {
		fields[prefix+name+".patches"] = map[string]any{"directory": Patches}
		// The kernel is the host's: all machines share its memory and modules.
		fields[prefix+name+".nodeRegistration.ignorePreflightErrors"] = []any{"SystemVerification", "Mem", "NumCPU", "Swap", "ImagePull"}
	}
	return fields
}

// File is one of a KubeadmConfig's.
func File(path, content string) any {
	return map[string]any{"path": path, "permissions": "0644", "content": content}
}

// set sets fields named with dots.
func set(object *unstructured.Unstructured, fields map[string]any) error {
	for path, value := range fields {
		if err := unstructured.SetNestedField(object.Object, value, strings.Split(path, ".")...); err != nil {
			return fmt.Errorf("change %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// ForUpdatesInPlace leaves room for the agent in control planes' user data, which the lab's own
// files would take, and lets all workers be updated at once. API servers have less time to end: the
// watches of their clients would keep each until it is killed after half a minute.
func ForUpdatesInPlace(object *unstructured.Unstructured) error {
	switch object.GetKind() {
	case "MachineDeployment":
		return unstructured.SetNestedField(object.Object, int64(2), "spec", "rollout", "strategy", "rollingUpdate", "maxUnavailable")
	case "KubeadmControlPlane":
		files, _, err := unstructured.NestedSlice(object.Object, "spec", "kubeadmConfigSpec", "files")
		if err != nil {
			return err
		}
		return set(object, map[string]any{
			"spec.kubeadmConfigSpec.files": append(files,
				File(Patches+"/kube-apiserver0+merge.yaml", "spec:\n  terminationGracePeriodSeconds: 3\n")),
			"spec.kubeadmConfigSpec.clusterConfiguration.encryptionAlgorithm": "ECDSA-P256",
		})
	}
	return nil
}
