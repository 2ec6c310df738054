// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package move

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
)

// kinds are those with objects to be the same in both management clusters.
var kinds = []schema.GroupVersionKind{
	infrav1.GroupVersion.WithKind("OCIAccount"),
	infrav1.GroupVersion.WithKind("Tailnet"),
	infrav1.GroupVersion.WithKind("OCIMeshCluster"),
	infrav1.GroupVersion.WithKind("OCIMeshMachine"),
	expv1.GroupVersion.WithKind("OCIMeshMachinePool"),
	expv1.GroupVersion.WithKind("OCIMeshMachinePoolMachine"),
	clusterv1.GroupVersion.WithKind("Machine"),
}

// holdings are a cluster's objects in a management cluster, as text by kind and name. Of Secrets it
// is a digest.
func (m *management) holdings(t *testing.T) map[string]string {
	t.Helper()
	g := NewWithT(t)
	out := map[string]string{}
	for _, kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		g.Expect(m.client.List(t.Context(), list)).To(Succeed())
		for _, o := range list.Items {
			text, err := yaml.Marshal(essence(o))
			g.Expect(err).NotTo(HaveOccurred())
			out[kind.Kind+" "+o.GetName()] = string(text)
		}
	}
	for _, ns := range []string{namespace, user.SecretsNamespace} {
		secrets := &corev1.SecretList{}
		g.Expect(m.client.List(t.Context(), secrets, client.InNamespace(ns))).To(Succeed())
		for _, secret := range secrets.Items {
			if _, key := secret.Labels[tailnetnode.KindLabel]; key {
				// A pool's key does not travel: its instance configuration has it.
				continue
			}
			out["Secret "+secret.Name] = fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, secret.Data)))
		}
	}
	return out
}

// essence is an object without facts of one management cluster only: UIDs, generations and times,
// OCI's limits at some time, claims, and the reason of a machine's placement.
func essence(o unstructured.Unstructured) map[string]any {
	annotations := map[string]string{}
	for name, value := range o.GetAnnotations() {
		if strings.HasPrefix(name, infrav1.GroupVersion.Group) {
			annotations[name] = value
		}
	}
	status, _, _ := unstructured.NestedMap(o.Object, "status")
	for _, field := range [][]string{
		{"observedGeneration"}, {"lastUpdated"}, {"deprecated"}, {"limits"}, {"placement", "reason"}, {"claim"}, {"loadBalancer", "claim"},
	} {
		unstructured.RemoveNestedField(status, field...)
	}
	if accounts, listed, _ := unstructured.NestedSlice(status, "accounts"); listed {
		for _, account := range accounts {
			delete(account.(map[string]any), "claim")
			conditions, _, _ := unstructured.NestedSlice(account.(map[string]any), "conditions")
			for _, condition := range conditions {
				delete(condition.(map[string]any), "lastTransitionTime")
				delete(condition.(map[string]any), "observedGeneration")
			}
			if conditions != nil {
				account.(map[string]any)["conditions"] = conditions
			}
		}
		_ = unstructured.SetNestedSlice(status, accounts, "accounts")
	}
	all, _, _ := unstructured.NestedSlice(status, "conditions")
	var conditions []string
	for _, c := range all {
		condition := c.(map[string]any)
		if condition["type"] == infrav1.StraysAbsentCondition {
			// A tailnet's keys are listed once an hour.
			continue
		}
		conditions = append(conditions, fmt.Sprintf("%s %s %s", condition["type"], condition["status"], condition["reason"]))
	}
	delete(status, "conditions")
	slices.Sort(conditions)
	return map[string]any{
		"annotations": annotations, "finalizers": o.GetFinalizers(), "spec": o.Object["spec"], "status": status, "conditions": conditions,
	}
}

// difference shows the differing lines; it is empty if there are none.
func difference(want, have map[string]string) string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(want)), maps.Keys(have))
	slices.Sort(names)
	var out []string
	for _, name := range slices.Compact(names) {
		if want[name] == have[name] {
			continue
		}
		out = append(out, name)
		for _, side := range []struct{ sign, text, other string }{{"-", want[name], have[name]}, {"+", have[name], want[name]}} {
			for line := range strings.Lines(side.text) {
				if !strings.Contains(side.other, line) {
					out = append(out, side.sign+strings.TrimRight(line, "\n"))
				}
			}
		}
	}
	return strings.Join(out, "\n")
}
