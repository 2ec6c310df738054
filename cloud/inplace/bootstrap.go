// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace

import (
	"reflect"
	"slices"
	"strings"
)

// initPhases are those that `kubeadm init` alone has; `kubeadm join` refuses their names
// (k8s.io/kubernetes v1.37, cmd/kubeadm/app/cmd/init.go and join.go).
var initPhases = []string{
	"certs", "kubeconfig", "etcd", "control-plane", "upload-config", "upload-certs", "mark-control-plane", "bootstrap-token",
	"kubelet-finalize", "addon", "show-join-command",
}

// Bootstrap returns the differences between two specs of a KubeadmConfig for which no other machine
// is needed: the phases and patches of a `kubeadm init` that is over. Cluster API compares the
// first control plane's initConfiguration with the others' joinConfiguration, under that name
// (sigs.k8s.io/cluster-api v1.14, controlplane/kubeadm/pkg/filters.go,
// PrepareKubeadmConfigsForDiff). Skipping kube-proxy's addon is possible in the former only, so the
// first control plane of a cluster with Cilium would always be replaced.
func Bootstrap(at string, current, desired map[string]any) []Operation {
	from, to := joinOf(current), joinOf(desired)
	if !hasInitPhase(from["skipPhases"]) {
		return nil
	}
	var taken []Operation
	for _, field := range []string{"skipPhases", "patches"} {
		value, is := to[field]
		switch {
		case reflect.DeepEqual(from[field], value):
		case is:
			taken = append(taken, Operation{Op: "add", Path: at + "/joinConfiguration/" + field, Value: value})
		default:
			taken = append(taken, Operation{Op: "remove", Path: at + "/joinConfiguration/" + field})
		}
	}
	return taken
}

func joinOf(spec map[string]any) map[string]any {
	join, _ := spec["joinConfiguration"].(map[string]any)
	return join
}

func hasInitPhase(phases any) bool {
	list, _ := phases.([]any)
	return slices.ContainsFunc(list, func(phase any) bool {
		name, _ := phase.(string)
		top, _, _ := strings.Cut(name, "/")
		return slices.Contains(initPhases, top)
	})
}
