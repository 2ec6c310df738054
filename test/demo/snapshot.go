// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

type role string

const (
	controlPlane role = "control plane"
	worker       role = "worker"
)

// machine is a Machine with its OCIMeshMachine.
type machine struct {
	name, version, phase string
	role                 role
	ready, deleting      bool
	account, instance    string
	place                string
	// state is the life-cycle state of the OCI instance, problem what keeps
	// the machine from being Ready.
	state, problem string
}

// snapshot is the cluster at one moment.
type snapshot struct {
	cluster      *clusterv1.Cluster
	infra        *infrav1.OCIMeshCluster
	controlPlane *controlplanev1.KubeadmControlPlane
	deployment   *clusterv1.MachineDeployment
	machines     []machine
}

func takeSnapshot(ctx context.Context, c client.Client) (snapshot, error) {
	var s snapshot
	var clusters clusterv1.ClusterList
	var infras infrav1.OCIMeshClusterList
	var kcps controlplanev1.KubeadmControlPlaneList
	var deployments clusterv1.MachineDeploymentList
	var machines clusterv1.MachineList
	var infraMachines infrav1.OCIMeshMachineList
	for _, list := range []client.ObjectList{&clusters, &infras, &kcps, &deployments, &machines, &infraMachines} {
		if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return s, fmt.Errorf("look at the cluster: %w", err)
		}
	}
	s.cluster, s.infra = first(clusters.Items), first(infras.Items)
	s.controlPlane, s.deployment = first(kcps.Items), first(deployments.Items)
	byName := map[string]infrav1.OCIMeshMachine{}
	for _, m := range infraMachines.Items {
		byName[m.Name] = m
	}
	for i := range machines.Items {
		m := &machines.Items[i]
		s.machines = append(s.machines, newMachine(m, byName[m.Spec.InfrastructureRef.Name]))
	}
	slices.SortFunc(s.machines, func(a, b machine) int {
		return strings.Compare(string(a.role)+a.name, string(b.role)+b.name)
	})
	return s, nil
}

func first[T any](items []T) *T {
	if len(items) == 0 {
		return nil
	}
	return &items[0]
}

func newMachine(m *clusterv1.Machine, infra infrav1.OCIMeshMachine) machine {
	out := machine{
		name: m.Name, version: m.Spec.Version, phase: m.Status.Phase, role: worker,
		ready:    conditions.IsTrue(m, clusterv1.MachineReadyCondition) && conditions.IsTrue(m, clusterv1.MachineNodeReadyCondition),
		deleting: !m.DeletionTimestamp.IsZero(),
		account:  infra.Status.Placement.Account, instance: infra.Status.Instance.ID, state: infra.Status.Instance.State,
		place: strings.TrimPrefix(infra.Status.Placement.FaultDomain, "FAULT-DOMAIN-"),
	}
	if _, ok := m.Labels[clusterv1.MachineControlPlaneLabel]; ok {
		out.role = controlPlane
	}
	if !out.ready {
		out.problem = message(m, clusterv1.MachineReadyCondition)
	}
	return out
}

// message is the first line of a condition's message, or its reason.
func message(object conditions.Getter, condition string) string {
	c := conditions.Get(object, condition)
	if c == nil {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimPrefix(c.Message, "* "), "\n")
	if line == "" {
		return c.Reason
	}
	return line
}

// complete returns what is missing until so many machines are ready, control
// planes of the version, and everything is available.
func (s snapshot) complete(controlPlanes, workers int, version string) string {
	if s.cluster == nil || s.controlPlane == nil || s.deployment == nil {
		return "the Cluster, its KubeadmControlPlane and its MachineDeployment to exist"
	}
	for _, want := range []struct {
		role  role
		count int
	}{{controlPlane, controlPlanes}, {worker, workers}} {
		ready, all := 0, 0
		for _, m := range s.machines {
			if m.role != want.role {
				continue
			}
			all++
			if m.ready && !m.deleting && (m.role == worker || m.version == version) {
				ready++
			}
		}
		if ready != want.count || all != want.count {
			return fmt.Sprintf("%d ready %ss (now %d ready of %d)", want.count, want.role, ready, all)
		}
	}
	for _, o := range []struct {
		name   string
		object conditions.Getter
	}{{"Cluster", s.cluster}, {"KubeadmControlPlane", s.controlPlane}, {"MachineDeployment", s.deployment}} {
		if !conditions.IsTrue(o.object, clusterv1.AvailableCondition) {
			return o.name + " to be Available: " + message(o.object, clusterv1.AvailableCondition)
		}
	}
	return ""
}

// empty tells whether nothing of the cluster is left in the management cluster.
func (s snapshot) empty() bool {
	return s.cluster == nil && s.infra == nil && s.controlPlane == nil && s.deployment == nil && len(s.machines) == 0
}

// accountsOf counts machines by account.
func (s snapshot) accountsOf(r role) map[string]int {
	counts := map[string]int{}
	for _, m := range s.machines {
		if m.role == r && m.account != "" {
			counts[m.account]++
		}
	}
	return counts
}

func (s snapshot) has(name string) bool {
	return slices.ContainsFunc(s.machines, func(m machine) bool { return m.name == name })
}

func (s snapshot) aWorker() (machine, error) {
	i := slices.IndexFunc(s.machines, func(m machine) bool { return m.role == worker && m.ready && m.instance != "" })
	if i < 0 {
		return machine{}, errors.New("there is no ready worker")
	}
	return s.machines[i], nil
}

// rows is the cluster as a tree.
func (s snapshot) rows() []row {
	if s.cluster == nil {
		return nil
	}
	rows := []row{{"Cluster", "Cluster/" + s.cluster.Name + "  " + state(s.cluster, clusterv1.AvailableCondition)}}
	if s.infra != nil {
		host := s.infra.Spec.ControlPlaneEndpoint.Host
		if host != "" {
			host = "  endpoint " + host
		}
		rows = append(rows, row{"OCIMeshCluster", "├─OCIMeshCluster  " + state(s.infra, infrav1.ReadyCondition) + host})
	}
	if s.controlPlane != nil {
		rows = append(rows, row{"KubeadmControlPlane", fmt.Sprintf("├─KubeadmControlPlane %s  %s",
			s.controlPlane.Spec.Version, state(s.controlPlane, clusterv1.AvailableCondition))})
		rows = append(rows, s.machineRows(controlPlane, "│ ")...)
	}
	if s.deployment != nil {
		rows = append(rows, row{"MachineDeployment", "└─MachineDeployment  " + state(s.deployment, clusterv1.AvailableCondition)})
		rows = append(rows, s.machineRows(worker, "  ")...)
	}
	return rows
}

func (s snapshot) machineRows(r role, indent string) []row {
	var rows []row
	for _, m := range s.machines {
		if m.role == r {
			rows = append(rows, row{"Machine " + m.name, indent + "├─" + m.text()})
		}
	}
	if n := len(rows); n > 0 {
		rows[n-1].text = strings.Replace(rows[n-1].text, "├─", "└─", 1)
	}
	return rows
}

func (m machine) text() string {
	status := "Ready"
	switch {
	case m.deleting:
		status = "Deleting"
	case !m.ready:
		status = m.phase
	}
	where := "not placed"
	if m.account != "" {
		where = m.account
		if m.place != "" {
			where += "/fd-" + m.place
		}
	}
	line := fmt.Sprintf("%-34s %-12s %s  %-13s %s", m.name, status, m.version, where, m.state)
	if m.problem != "" {
		line += "  " + m.problem
	}
	return strings.TrimRight(line, " ")
}

// state is a condition in words.
func state(object conditions.Getter, condition string) string {
	if d, ok := object.(metav1.Object); ok && !d.GetDeletionTimestamp().IsZero() {
		return "Deleting"
	}
	if conditions.IsTrue(object, condition) {
		return condition
	}
	if m := message(object, condition); m != "" {
		return "not " + condition + ": " + m
	}
	return "not " + condition
}
