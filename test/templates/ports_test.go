// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// portRange is a range of ports, the last one included.
type portRange struct {
	protocol    corev1.Protocol
	first, last int32
}

var portsRow = regexp.MustCompile("(?m)^\\| `(tcp|udp):([0-9]+)(?:-([0-9]+))?` \\| nodes \\| nodes \\|")

// betweenNodes are the ports that docs/policies/README.md has open between all nodes. Its own test
// holds the policies to the same table.
func betweenNodes(t *testing.T) (ranges []portRange) {
	t.Helper()
	g := NewWithT(t)
	page, err := os.ReadFile(filepath.Join(root, "docs/policies/README.md"))
	g.Expect(err).NotTo(HaveOccurred())
	port := func(text string) int32 {
		number, err := strconv.ParseInt(text, 10, 32)
		g.Expect(err).NotTo(HaveOccurred())
		return int32(number)
	}
	for _, row := range portsRow.FindAllStringSubmatch(string(page), -1) {
		open := portRange{protocol: corev1.ProtocolTCP, first: port(row[2]), last: port(row[2])}
		if row[1] == "udp" {
			open.protocol = corev1.ProtocolUDP
		}
		if row[3] != "" {
			open.last = port(row[3])
		}
		ranges = append(ranges, open)
	}
	g.Expect(len(ranges)).To(BeNumerically(">", 3), "the table of ports has another form")
	return ranges
}

// hostPorts are the ports by name that the pods of a workload take of their node, for others than
// that node's kubelet.
func hostPorts(t *testing.T, object unstructured.Unstructured) map[string]corev1.ContainerPort {
	t.Helper()
	// Both kinds have their pods in the same place.
	var workload appsv1.DaemonSet
	NewWithT(t).Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &workload)).To(Succeed())
	found := map[string]corev1.ContainerPort{}
	for _, container := range workload.Spec.Template.Spec.Containers {
		for _, port := range container.Ports {
			if port.Protocol == "" {
				port.Protocol = corev1.ProtocolTCP
			}
			if port.Name != "health" && (workload.Spec.Template.Spec.HostNetwork || port.HostPort != 0) {
				found[object.GetName()+" "+port.Name] = port
			}
		}
	}
	return found
}

func TestNodesReachEachPortThatCiliumTakesOfThem(t *testing.T) {
	t.Setenv("CILIUM_HUBBLE", "true")
	t.Setenv("CILIUM_DASHBOARDS", "true")
	open := betweenNodes(t)
	taken := map[string]corev1.ContainerPort{}
	for _, object := range installed(t, generate(t, ""), newestKubernetes) {
		if kind := object.GetKind(); kind == "DaemonSet" || kind == "Deployment" {
			for name, port := range hostPorts(t, object) {
				taken[name] = port
			}
		}
	}
	g := NewWithT(t)
	g.Expect(taken).To(HaveKey("cilium hubble-metrics"))
	for name, port := range taken {
		reached := false
		for _, each := range open {
			number := max(port.HostPort, port.ContainerPort)
			reached = reached || each.protocol == port.Protocol && each.first <= number && number <= each.last
		}
		g.Expect(reached).To(BeTrue(), "%s takes %s %d, which no policy of docs/policies opens", name, port.Protocol, port.ContainerPort)
	}
}
