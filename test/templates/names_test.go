// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"testing"

	. "github.com/onsi/gomega"
)

// Kubernetes takes these names, and YAML reads them as numbers and truths where they are not
// quoted.
var misread = map[string]string{
	"OCIMESH_TAILNET": "on", "OCIMESH_ACCOUNT_1": "1", "OCIMESH_ACCOUNT_2": "no", "OCIMESH_ACCOUNT_3": "1e3",
	"SERVICE_DOMAIN": "yes", "CILIUM_VERSION": "1.20", "MONITORING_VERSION": "88.5",
}

func TestNamesThatYAMLReadsAsSomethingElseStayNames(t *testing.T) {
	for name, value := range misread {
		t.Setenv(name, value)
	}
	for _, flavor := range flavors(t) {
		t.Run("flavor "+flavor, func(t *testing.T) {
			g := NewWithT(t)
			objects, err := templateIn("2025", "2024", flavor)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(find(objects, "Cluster").GetNamespace()).To(Equal("2025"))

			namespace := apply(t, objects)

			g.Expect(field(objects, "Cluster", "spec", "clusterNetwork", "serviceDomain")).To(Equal("yes"))
			if flavor != "topology" {
				stored := get(t, namespace, "OCIMeshCluster", "2024")
				g.Expect(accountNames(stored)).To(HaveEach(BeElementOf("1", "no", "1e3")))
				g.Expect(stored.Object["spec"]).To(HaveKeyWithValue("tailnetRef", HaveKeyWithValue("name", "on")))
			}
		})
	}
	for _, file := range []string{"cilium-fleet.yaml", "monitoring-fleet.yaml"} {
		t.Run(file, func(t *testing.T) { apply(t, processed(t, file, "2025")) })
	}
}
