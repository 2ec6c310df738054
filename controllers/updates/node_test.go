// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/inplace"
)

func TestANodeIsUpToDateByItsKubeletAndByWhatItsAgentSays(t *testing.T) {
	wanted := inplace.Versions{Kubernetes: "v1.36.3"}
	asked := map[string]string{infrav1.WantedVersionsAnnotation: wanted.String()}
	done := map[string]string{infrav1.WantedVersionsAnnotation: wanted.String(), infrav1.ReportedVersionsAnnotation: wanted.String() + " done"}
	for name, tc := range map[string]struct {
		kubelet     string
		annotations map[string]string
		is          bool
	}{
		"it was made with the version":      {kubelet: "v1.36.3", is: true},
		"it was made with a build of it":    {kubelet: "v1.36.3+vendor.1", is: true},
		"its agent has brought it there":    {kubelet: "v1.36.3", annotations: done, is: true},
		"its agent has installed a build":   {kubelet: "v1.36.3+vendor.1", annotations: done, is: true},
		"its agent has not ended yet":       {kubelet: "v1.36.3", annotations: asked},
		"another version runs":              {kubelet: "v1.36.2", annotations: done},
		"the version stands in the build":   {kubelet: "v1.36.2+v1.36.3"},
		"its kubelet does not say anything": {},
	} {
		t.Run(name, func(t *testing.T) {
			node := &corev1.Node{}
			node.Annotations, node.Status.NodeInfo.KubeletVersion = tc.annotations, tc.kubelet

			NewWithT(t).Expect(isUpToDate(node, wanted)).To(Equal(tc.is))
		})
	}
}
