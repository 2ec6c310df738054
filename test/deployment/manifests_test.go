// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package deployment tests config/: kustomize's output is applied to a real API server, and the
// manager runs there with no more rights than granted.
package deployment

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const (
	ownNamespace = "capom-system"
	deployment   = "capom-controller-manager"
)

// components of config/components, each on top of config/default.
const (
	highAvailability = "high-availability"
	namespaced       = "namespaced"
)

// program runs a program of hack/binaries.sh.
func program(t *testing.T, name string, stdin []byte, variables []string, args ...string) []byte {
	t.Helper()
	g := NewWithT(t)
	find := exec.CommandContext(t.Context(), "../../hack/binaries.sh", name)
	find.Stderr = os.Stderr
	path, err := find.Output()
	g.Expect(err).NotTo(HaveOccurred())
	command := exec.CommandContext(t.Context(), strings.TrimSpace(string(path)), args...)
	var stderr bytes.Buffer
	command.Stdin, command.Stderr = bytes.NewReader(stdin), &stderr
	command.Env = append(os.Environ(), variables...)
	out, err := command.Output()
	g.Expect(err).NotTo(HaveOccurred(), "%s %v: %s", name, args, &stderr)
	return out
}

// render follows docs/operations.md: kustomize, then clusterctl for the variables.
func render(t *testing.T, watchNamespace string, components ...string) []unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	config, err := filepath.Abs("../../config")
	g.Expect(err).NotTo(HaveOccurred())
	overlay := t.TempDir()
	config, err = filepath.Rel(overlay, config)
	g.Expect(err).NotTo(HaveOccurred())
	text := fmt.Sprintf("resources:\n- %s/default\n", config)
	for i, component := range components {
		if i == 0 {
			text += "components:\n"
		}
		text += fmt.Sprintf("- %s/components/%s\n", config, component)
	}
	g.Expect(os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(text), 0o600)).To(Succeed())
	built := program(t, "kustomize", nil, nil, "build", overlay)
	return parse(t, program(t, "clusterctl", built, []string{"CAPOM_WATCH_NAMESPACE=" + watchNamespace}, "generate", "yaml"))
}

func parse(t *testing.T, text []byte) []unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	var objects []unstructured.Unstructured
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		g.Expect(err).NotTo(HaveOccurred())
		object := unstructured.Unstructured{}
		g.Expect(yaml.Unmarshal(document, &object.Object)).To(Succeed())
		objects = append(objects, object)
	}
}

// find converts the object of the kind and name.
func find[T any](t *testing.T, objects []unstructured.Unstructured, kind, name string) T {
	t.Helper()
	var found T
	for _, object := range objects {
		if object.GetKind() == kind && object.GetName() == name {
			NewWithT(t).Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &found)).To(Succeed())
			return found
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return found
}

func managerOf(d appsv1.Deployment) corev1.Container { return d.Spec.Template.Spec.Containers[0] }

func TestTheCollectorKeepsTheManagerBelowItsMemoryLimit(t *testing.T) {
	g := NewWithT(t)
	manager := managerOf(find[appsv1.Deployment](t, render(t, ""), "Deployment", deployment))

	limit := float64(manager.Resources.Limits.Memory().Value())
	g.Expect(limit).To(BeNumerically(">=", 1<<30), "10,000 machines take 585 MiB, and grow")
	var soft float64
	for _, variable := range manager.Env {
		if variable.Name == "GOMEMLIMIT" {
			_, err := fmt.Sscanf(variable.Value, "%fMiB", &soft)
			g.Expect(err).NotTo(HaveOccurred())
		}
	}
	g.Expect(soft * (1 << 20)).To(And(BeNumerically(">", 0.8*limit), BeNumerically("<", 0.95*limit)))
}

func TestAPodEndsOnlyAfterItsLeaseIsReleased(t *testing.T) {
	g := NewWithT(t)
	source, err := os.ReadFile("../../main.go")
	g.Expect(err).NotTo(HaveOccurred())
	_, text, found := strings.Cut(string(source), "const gracefulShutdown = ")
	g.Expect(found).To(BeTrue())
	var seconds int
	_, err = fmt.Sscanf(text, "%d * time.Second", &seconds)
	g.Expect(err).NotTo(HaveOccurred())

	pod := find[appsv1.Deployment](t, render(t, ""), "Deployment", deployment).Spec.Template.Spec

	// The lease's release is a call or two, each taking as long as a renewal at most: 10 seconds.
	g.Expect(time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second).
		To(BeNumerically(">=", time.Duration(seconds)*time.Second+10*time.Second))
}

func TestHighAvailabilityIsTwoReplicasOfWhichADrainTakesOne(t *testing.T) {
	g := NewWithT(t)
	objects := render(t, "", highAvailability)
	managers := find[appsv1.Deployment](t, objects, "Deployment", deployment)
	budget := find[policyv1.PodDisruptionBudget](t, objects, "PodDisruptionBudget", deployment)

	g.Expect(managers.Spec.Replicas).To(HaveValue(BeEquivalentTo(2)))
	g.Expect(managerOf(managers).Args).To(ContainElement("--leader-elect"))
	g.Expect(managers.Spec.Template.Labels).To(Equal(managers.Spec.Selector.MatchLabels))
	g.Expect(budget.Spec.Selector.MatchLabels).To(Equal(managers.Spec.Selector.MatchLabels))
	g.Expect(managers.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector).To(Equal(managers.Spec.Selector))
	g.Expect(find[appsv1.Deployment](t, render(t, ""), "Deployment", deployment).Spec.Replicas).To(HaveValue(BeEquivalentTo(1)))
}
