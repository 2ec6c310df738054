// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestWithoutATerminalEachChangeIsOneLine(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	s := &Screen{out: &out, seen: map[string]string{}}

	s.Show([]Row{{"Cluster", "Cluster/demo  not Available"}, {"Machine a", "└─a  Pending"}}, time.Second)
	s.Show([]Row{{"Cluster", "Cluster/demo  not Available"}, {"Machine a", "└─a  Ready"}}, 2*time.Second)
	s.Show([]Row{{"Cluster", "Cluster/demo  not Available"}}, 3*time.Second)

	g.Expect(strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")).To(Equal([]string{
		"    1.0s  Cluster/demo  not Available",
		"    1.0s  a  Pending",
		"    2.0s  a  Ready",
		"    3.0s  Machine a is gone",
	}))
}

func TestOnATerminalTheTreeIsRedrawnInPlace(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	s := &Screen{out: &out, width: func() int { return 12 }, seen: map[string]string{}}
	s.Show([]Row{{"a", "Cluster/demo  not Available"}}, time.Second)
	out.Reset()

	s.Show([]Row{{"a", "Cluster/demo  Available"}}, 2*time.Second)

	g.Expect(out.String()).To(Equal("\x1b[2A\x1b[JCluster/de…\nelapsed 2.…\n"), "both lines are erased, and none may wrap")
}

func TestWhatOtherProgramsReportComesLineByLine(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	s := &Screen{out: &out, seen: map[string]string{}}

	_, err := fmt.Fprint(s, "building et")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.String()).To(BeEmpty())
	_, err = fmt.Fprint(s, "cd ...\n")
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(out.String()).To(Equal("    building etcd ...\n"))
}

func TestAStepThatIsSilentForLongSaysThatItGoesOn(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	s := &Screen{out: &out, seen: map[string]string{}}
	s.Title("a step")
	s.Await("a worker")
	out.Reset()

	s.tick(s.said.Add(quiet - time.Second))
	g.Expect(out.String()).To(BeEmpty(), "it has just said something")
	s.tick(s.said.Add(quiet))
	g.Expect(out.String()).To(Equal("    still running after 8s, waiting for a worker\n"))
	out.Reset()

	s.tick(s.said.Add(time.Second))
	g.Expect(out.String()).To(BeEmpty(), "once is enough for a while")
	s.tick(s.said.Add(quiet))
	g.Expect(out.String()).To(Equal("    still running after 16s, waiting for a worker\n"))
	out.Reset()

	s.Show([]Row{{"Cluster", "Cluster/demo  not Available"}}, time.Second)
	s.Done(time.Second)
	out.Reset()
	s.tick(s.said.Add(time.Hour))
	g.Expect(out.String()).To(BeEmpty(), "no step is running")
}

func TestAnOutputThatNobodyReadsIsNoticed(t *testing.T) {
	g := NewWithT(t)
	reader, writer, err := os.Pipe()
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(t.Context())
	s := NewScreen(writer, cancel)
	g.Expect(reader.Close()).To(Succeed())

	s.Title("a step")

	g.Expect(ctx.Err()).To(HaveOccurred())
}

const (
	oldVersion = "v1.36.2"
	newVersion = "v1.37.1"
)

func available() []metav1.Condition {
	return []metav1.Condition{{Type: clusterv1.AvailableCondition, Status: metav1.ConditionTrue, Reason: "Available"}}
}

// whole is a complete cluster of one control plane and one worker.
func whole() Snapshot {
	return Snapshot{
		Cluster:      &clusterv1.Cluster{Status: clusterv1.ClusterStatus{Conditions: available()}},
		ControlPlane: &controlplanev1.KubeadmControlPlane{Status: controlplanev1.KubeadmControlPlaneStatus{Conditions: available()}},
		Deployment:   &clusterv1.MachineDeployment{Status: clusterv1.MachineDeploymentStatus{Conditions: available()}},
		Machines: []Machine{
			{Name: "cp", Role: ControlPlane, Version: oldVersion, Ready: true, Account: "alpha", Instance: "ocid-cp"},
			{Name: "w", Role: Worker, Version: oldVersion, Ready: true, Account: "bravo", Instance: "ocid-w"},
		},
	}
}

func TestAClusterIsCompleteOnlyWhenEverythingIs(t *testing.T) {
	for name, tc := range map[string]struct {
		change  func(*Snapshot)
		version string
		missing string
	}{
		"everything is there":               {func(*Snapshot) {}, oldVersion, ""},
		"nothing is there yet":              {func(s *Snapshot) { *s = Snapshot{} }, oldVersion, "to exist"},
		"a worker is not ready":             {func(s *Snapshot) { s.Machines[1].Ready = false }, oldVersion, "1 ready workers"},
		"a worker is leaving":               {func(s *Snapshot) { s.Machines[1].Deleting = true }, oldVersion, "1 ready workers"},
		"a surplus machine is still there":  {func(s *Snapshot) { s.Machines = append(s.Machines, s.Machines[1]) }, oldVersion, "of 2"},
		"the control plane is not upgraded": {func(*Snapshot) {}, newVersion, "1 ready control planes"},
		"the Cluster is not Available": {
			func(s *Snapshot) { s.Cluster.Status.Conditions[0].Status = metav1.ConditionFalse }, oldVersion, "Cluster to be Available",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := whole()
			tc.change(&s)

			missing := s.Complete(1, 1, tc.version)

			if tc.missing == "" {
				g.Expect(missing).To(BeEmpty())
				return
			}
			g.Expect(missing).To(ContainSubstring(tc.missing))
		})
	}
}

// pooled is a cluster with a MachinePool of one besides.
func pooled() Snapshot {
	s := whole()
	s.Pool = &clusterv1.MachinePool{Status: clusterv1.MachinePoolStatus{Phase: "Running", NodeRefs: make([]corev1.ObjectReference, 1)}}
	s.Machines = append(s.Machines, Machine{Name: "p", Role: PoolMember, Version: oldVersion, Ready: true, Account: "alpha"})
	return s
}

func TestAPoolIsCompleteOnlyWhenAllItsMembersAre(t *testing.T) {
	for name, tc := range map[string]struct {
		change  func(*Snapshot)
		missing string
	}{
		"everything is there":   {func(*Snapshot) {}, ""},
		"there is no pool":      {func(s *Snapshot) { s.Pool = nil }, "to exist"},
		"a member is missing":   {func(s *Snapshot) { s.Machines = s.Machines[:2] }, "1 ready pool members"},
		"a member is not ready": {func(s *Snapshot) { s.Machines[2].Ready = false }, "1 ready pool members"},
		"the pool has no Node":  {func(s *Snapshot) { s.Pool.Status.NodeRefs = nil }, "1 Nodes"},
		"the pool is scaling":   {func(s *Snapshot) { s.Pool.Status.Phase = "Scaling" }, "to be Running"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := pooled()
			tc.change(&s)

			missing := s.PoolComplete(1)

			if tc.missing == "" {
				g.Expect(missing).To(BeEmpty())
				return
			}
			g.Expect(missing).To(ContainSubstring(tc.missing))
		})
	}
}

func TestAClusterIsDrawnAsATree(t *testing.T) {
	g := NewWithT(t)
	var lines []string
	for _, row := range pooled().Rows() {
		lines = append(lines, strings.Join(strings.Fields(row.Text), " "))
	}

	g.Expect(lines).To(Equal([]string{
		"Cluster/ Available",
		"├─KubeadmControlPlane Available",
		"│ └─cp Ready v1.36.2 alpha",
		"├─MachineDeployment Available",
		"│ └─w Ready v1.36.2 bravo",
		"└─MachinePool Running, 1 Nodes",
		"└─p Ready v1.36.2 alpha",
	}))
}

func TestAMachineIsShownWithItsPlaceAndWhatItLacks(t *testing.T) {
	g := NewWithT(t)
	m := newMachine(&clusterv1.Machine{
		ObjectMeta: metav1.ObjectMeta{Name: "w", Labels: map[string]string{clusterv1.MachineControlPlaneLabel: ""}},
		Spec:       clusterv1.MachineSpec{Version: oldVersion},
		Status: clusterv1.MachineStatus{Phase: "Provisioning", Conditions: []metav1.Condition{{
			Type: clusterv1.MachineReadyCondition, Status: metav1.ConditionFalse, Reason: "NotReady",
			Message: "* InfrastructureReady: no room\n* NodeHealthy: no node",
		}}},
	}, place{"alpha", "FAULT-DOMAIN-2", infrav1.InstanceStatus{ID: "ocid", State: "PROVISIONING"}})

	g.Expect(m.Role).To(Equal(ControlPlane))
	g.Expect(strings.Fields(m.text())).To(Equal([]string{
		"w", "Provisioning", oldVersion, "alpha/fd-2", "PROVISIONING", "InfrastructureReady:", "no", "room",
	}))
}

func TestTheVictimIsAReadyWorker(t *testing.T) {
	g := NewWithT(t)
	s := whole()

	victim, err := s.AWorker()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(victim.Name).To(Equal("w"))

	s.Machines[1].Ready = false
	_, err = s.AWorker()
	g.Expect(err).To(HaveOccurred())
}
