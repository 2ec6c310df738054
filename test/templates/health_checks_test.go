// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// A MachineHealthCheck whose template does not exist repairs and replaces nothing.
func TestEveryHealthCheckRepairsByATemplateBesideIt(t *testing.T) {
	for _, flavor := range flavors(t) {
		t.Run("flavor "+flavor, func(t *testing.T) {
			g := NewWithT(t)
			objects := generate(t, flavor)
			checks := healthChecks(objects)
			if flavor == "development" {
				g.Expect(checks).To(BeEmpty())
				return
			}

			template := find(objects, "OCIMeshRemediationTemplate")
			g.Expect(template).NotTo(BeNil())
			wanted := map[string]string{"control plane": template.GetName(), "workers": template.GetName()}
			if flavor == "machine-pool" {
				// MachineHealthChecks are for Machines of a MachineDeployment or a control plane.
				delete(wanted, "workers")
			}
			g.Expect(checks).To(Equal(wanted))
			g.Expect(template.GetNamespace()).To(Equal(find(objects, "Cluster").GetNamespace()))
		})
	}
}

// healthChecks are the names of the templates by which machines are repaired, by whose they are.
func healthChecks(objects []unstructured.Unstructured) map[string]string {
	checks := map[string]string{}
	by := func(of string, object map[string]any, path ...string) {
		if name, found, _ := unstructured.NestedString(object, append(path, "remediation", "templateRef", "name")...); found {
			checks[of] = name
		}
	}
	for _, object := range objects {
		labels, _, _ := unstructured.NestedStringMap(object.Object, "spec", "selector", "matchLabels")
		if _, selected := labels[clusterv1.MachineControlPlaneLabel]; selected {
			by("control plane", object.Object, "spec")
		}
		if labels[clusterv1.MachineDeploymentNameLabel] != "" {
			by("workers", object.Object, "spec")
		}
		by("control plane", object.Object, "spec", "controlPlane", "healthCheck")
		classes, _, _ := unstructured.NestedSlice(object.Object, "spec", "workers", "machineDeployments")
		for _, class := range classes {
			by("workers", class.(map[string]any), "healthCheck")
		}
	}
	return checks
}

// A percentage is rounded down: half of a single worker is none.
func TestTheAlwaysFreeFlavorRepairsASingleWorker(t *testing.T) {
	g := NewWithT(t)
	for _, object := range generate(t, "always-free") {
		if object.GetKind() != "MachineHealthCheck" || !strings.HasSuffix(object.GetName(), "-workers") {
			continue
		}
		most, _, err := unstructured.NestedFieldNoCopy(object.Object, "spec", "remediation", "triggerIf", "unhealthyLessThanOrEqualTo")
		g.Expect(err).NotTo(HaveOccurred())
		limit := intstr.Parse(fmt.Sprint(most))
		unhealthy, err := intstr.GetScaledValueFromIntOrPercent(&limit, 1, false)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(unhealthy).To(Equal(1))
		return
	}
	t.Fatal("no health check of workers")
}
