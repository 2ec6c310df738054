// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/inplace"
)

func TestANodeIsUpToDateByItsKubeletAndByWhatItsAgentSays(t *testing.T) {
	wanted := inplace.Versions{Kubernetes: "v1.36.3"}
	asked := map[string]string{infrav1.WantedVersionsAnnotation: wanted.String()}
	done := map[string]string{infrav1.WantedVersionsAnnotation: wanted.String(), infrav1.ReportedVersionsAnnotation: wanted.String() + " done"}
	other := map[string]string{infrav1.WantedVersionsAnnotation: "v1.36.4 -", infrav1.ReportedVersionsAnnotation: "v1.36.4 - failed"}
	for name, tc := range map[string]struct {
		kubelet string
		// recorded is the version that the node was made with or brought to before.
		recorded    string
		annotations map[string]string
		is          bool
	}{
		"it was made with the version":      {kubelet: "v1.36.3", is: true},
		"it was made with a build of it":    {kubelet: "v1.36.3+vendor.1", is: true},
		"its agent has brought it there":    {kubelet: "v1.36.3", annotations: done, is: true},
		"its agent has installed a build":   {kubelet: "v1.36.3+vendor.1", annotations: done, is: true},
		"its agent has not ended yet":       {kubelet: "v1.36.3", annotations: asked},
		"another version runs":              {kubelet: "v1.36.2", annotations: done},
		"another runs than it was made for": {kubelet: "v1.36.2", recorded: "v1.36.3", is: true},
		"so it does after an update":        {kubelet: "v1.36.4", recorded: "v1.36.3", annotations: done, is: true},
		"what was asked for is taken back":  {kubelet: "v1.36.2", recorded: "v1.36.3", annotations: other},
		"the version changes":               {kubelet: "v1.36.2", recorded: "v1.36.2"},
		"the version stands in the build":   {kubelet: "v1.36.2+v1.36.3"},
		"its kubelet does not say anything": {},
	} {
		t.Run(name, func(t *testing.T) {
			node := &corev1.Node{}
			node.Annotations, node.Status.NodeInfo.KubeletVersion = tc.annotations, tc.kubelet
			n := Node{Own: &infrav1.OCIMeshMachine{}, Machine: &clusterv1.Machine{}}
			n.Own.Status.KubernetesVersion, n.Machine.Spec.Version = tc.recorded, wanted.Kubernetes

			NewWithT(t).Expect(n.isUpToDate(node)).To(Equal(tc.is))
		})
	}
}

func TestAKubeletIsReplacedIfTheVersionChangesAndTheAgentHasNotInstalledIt(t *testing.T) {
	for name, tc := range map[string]struct {
		recorded, kubelet, asked, reported string
		replaces                           bool
	}{
		"another version":               {recorded: "v1.36.2", kubelet: "v1.36.2", replaces: true},
		"one that was fetched":          {recorded: "v1.36.2", kubelet: "v1.36.2", asked: "v1.36.3 - fetch", reported: "v1.36.3 - fetch done", replaces: true},
		"one that was asked for":        {recorded: "v1.36.2", kubelet: "v1.36.2", asked: "v1.36.3 -"},
		"another that runs already":     {recorded: "v1.36.2", kubelet: "v1.36.3"},
		"the same":                      {recorded: "v1.36.3", kubelet: "v1.36.2"},
		"nobody knows, the agent does":  {kubelet: "v1.36.2", reported: "v1.36.3 1.102.3 done"},
		"nobody knows, nor does it say": {kubelet: "v1.36.2", replaces: true},
	} {
		t.Run(name, func(t *testing.T) {
			n := Node{Own: &infrav1.OCIMeshMachine{}, Machine: &clusterv1.Machine{}}
			n.Own.Status.KubernetesVersion, n.Machine.Spec.Version = tc.recorded, "v1.36.3"
			node := &corev1.Node{}
			node.Annotations = map[string]string{infrav1.WantedVersionsAnnotation: tc.asked, infrav1.ReportedVersionsAnnotation: tc.reported}
			node.Status.NodeInfo.KubeletVersion = tc.kubelet

			NewWithT(t).Expect(n.replacesKubelet(node)).To(Equal(tc.replaces))
		})
	}
}
