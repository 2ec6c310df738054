// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Role tells control planes and workers apart.
type Role string

// The roles.
const (
	ControlPlane Role = "control plane"
	Worker       Role = "worker"
	// PoolMember is a worker of a MachinePool.
	PoolMember Role = "pool member"
)

// Machine is a Machine with its OCIMeshMachine.
type Machine struct {
	Name, Version, Phase string
	Role                 Role
	Ready, Deleting      bool
	// Account is the OCIAccount's name, Instance the OCID, Place the fault domain's number.
	Account, Instance, Place string
	// State is the life-cycle state of the OCI instance, Problem the reason if the machine is not
	// Ready.
	State, Problem string
}

// Snapshot is a cluster at one moment; what does not exist is nil.
type Snapshot struct {
	Cluster      *clusterv1.Cluster
	Infra        *infrav1.OCIMeshCluster
	ControlPlane *controlplanev1.KubeadmControlPlane
	Deployment   *clusterv1.MachineDeployment
	Pool         *clusterv1.MachinePool
	Machines     []Machine
}

// Take reads the one cluster of a namespace.
func Take(ctx context.Context, c client.Client, namespace string) (Snapshot, error) {
	var s Snapshot
	var clusters clusterv1.ClusterList
	var infras infrav1.OCIMeshClusterList
	var kcps controlplanev1.KubeadmControlPlaneList
	var deployments clusterv1.MachineDeploymentList
	var pools clusterv1.MachinePoolList
	var machines clusterv1.MachineList
	var infraMachines infrav1.OCIMeshMachineList
	var infraPools expv1.OCIMeshMachinePoolList
	var members expv1.OCIMeshMachinePoolMachineList
	for _, list := range []client.ObjectList{
		&clusters, &infras, &kcps, &deployments, &pools, &machines, &infraMachines, &infraPools, &members,
	} {
		if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return s, fmt.Errorf("look at the cluster: %w", err)
		}
	}
	s.Cluster, s.Infra = first(clusters.Items), first(infras.Items)
	s.ControlPlane, s.Deployment, s.Pool = first(kcps.Items), first(deployments.Items), first(pools.Items)
	where := map[string]place{}
	for _, m := range infraMachines.Items {
		where[m.Name] = place{m.Status.Placement.Account, m.Status.Placement.FaultDomain, m.Status.Instance}
	}
	if pool := first(infraPools.Items); pool != nil {
		for _, m := range members.Items {
			where[m.Name] = place{pool.Spec.Account, m.Status.FaultDomain, m.Status.Instance}
		}
	}
	for i := range machines.Items {
		m := &machines.Items[i]
		s.Machines = append(s.Machines, newMachine(m, where[m.Spec.InfrastructureRef.Name]))
	}
	slices.SortFunc(s.Machines, func(a, b Machine) int {
		return strings.Compare(string(a.Role)+a.Name, string(b.Role)+b.Name)
	})
	return s, nil
}

func first[T any](items []T) *T {
	if len(items) == 0 {
		return nil
	}
	return &items[0]
}

// place is where a machine is, as its infrastructure object says.
type place struct {
	account, faultDomain string
	instance             infrav1.InstanceStatus
}

func newMachine(m *clusterv1.Machine, at place) Machine {
	out := Machine{
		Name: m.Name, Version: m.Spec.Version, Phase: m.Status.Phase, Role: Worker,
		Ready:    conditions.IsTrue(m, clusterv1.MachineReadyCondition) && conditions.IsTrue(m, clusterv1.MachineNodeReadyCondition),
		Deleting: !m.DeletionTimestamp.IsZero(),
		Account:  at.account, Instance: at.instance.ID, State: at.instance.State,
		Place: strings.TrimPrefix(at.faultDomain, "FAULT-DOMAIN-"),
	}
	if _, ok := m.Labels[clusterv1.MachinePoolNameLabel]; ok {
		out.Role = PoolMember
	}
	if _, ok := m.Labels[clusterv1.MachineControlPlaneLabel]; ok {
		out.Role = ControlPlane
	}
	if !out.Ready {
		out.Problem = Message(m, clusterv1.MachineReadyCondition)
	}
	return out
}

// Message is the first line of a condition's message, or its reason.
func Message(object conditions.Getter, condition string) string {
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

// Complete returns the missing part until so many machines are ready, control planes of the
// version, and everything is available.
func (s Snapshot) Complete(controlPlanes, workers int, version string) string {
	if s.Cluster == nil || s.ControlPlane == nil || s.Deployment == nil {
		return "the Cluster, its KubeadmControlPlane and its MachineDeployment to exist"
	}
	if missing := s.ready(ControlPlane, controlPlanes, version); missing != "" {
		return missing
	}
	if missing := s.ready(Worker, workers, ""); missing != "" {
		return missing
	}
	for _, o := range []struct {
		name   string
		object conditions.Getter
	}{{"Cluster", s.Cluster}, {"KubeadmControlPlane", s.ControlPlane}, {"MachineDeployment", s.Deployment}} {
		if !conditions.IsTrue(o.object, clusterv1.AvailableCondition) {
			return o.name + " to be Available: " + Message(o.object, clusterv1.AvailableCondition)
		}
	}
	return ""
}

// PoolComplete returns the missing part until the MachinePool runs with so many machines, all
// ready. Cluster API 1.14 never writes the condition Available of pools, and its
// status.readyReplicas equals status.replicas (core/reconcilers/machinepool).
func (s Snapshot) PoolComplete(members int) string {
	switch {
	case s.Pool == nil:
		return "the MachinePool to exist"
	case len(s.Pool.Status.NodeRefs) != members:
		return fmt.Sprintf("%d Nodes of the MachinePool (now %d)", members, len(s.Pool.Status.NodeRefs))
	case s.Pool.Status.Phase != string(clusterv1.MachinePoolPhaseRunning):
		return "the MachinePool to be Running: it is " + s.Pool.Status.Phase
	}
	return s.ready(PoolMember, members, "")
}

// ready returns the missing part until there are so many machines of a role, all ready, and of a
// version unless it is empty.
func (s Snapshot) ready(role Role, count int, version string) string {
	ready, all := 0, 0
	for _, m := range s.Machines {
		if m.Role != role {
			continue
		}
		all++
		if m.Ready && !m.Deleting && (version == "" || m.Version == version) {
			ready++
		}
	}
	if ready != count || all != count {
		return fmt.Sprintf("%d ready %ss (now %d ready of %d)", count, role, ready, all)
	}
	return ""
}

// Empty tells whether nothing of the cluster is left in the management cluster.
func (s Snapshot) Empty() bool {
	return s.Cluster == nil && s.Infra == nil && s.ControlPlane == nil && s.Deployment == nil && s.Pool == nil && len(s.Machines) == 0
}

// AccountsOf counts machines by account.
func (s Snapshot) AccountsOf(r Role) map[string]int {
	counts := map[string]int{}
	for _, m := range s.Machines {
		if m.Role == r && m.Account != "" {
			counts[m.Account]++
		}
	}
	return counts
}

// Has tells whether a Machine of the name exists.
func (s Snapshot) Has(name string) bool {
	return slices.ContainsFunc(s.Machines, func(m Machine) bool { return m.Name == name })
}

// AWorker is a ready worker with an instance.
func (s Snapshot) AWorker() (Machine, error) { return s.aReady(Worker) }

// AControlPlane is a ready control plane with an instance.
func (s Snapshot) AControlPlane() (Machine, error) { return s.aReady(ControlPlane) }

func (s Snapshot) aReady(role Role) (Machine, error) {
	i := slices.IndexFunc(s.Machines, func(m Machine) bool { return m.Role == role && m.Ready && m.Instance != "" })
	if i < 0 {
		return Machine{}, fmt.Errorf("there is no ready %s", role)
	}
	return s.Machines[i], nil
}

// Rows is the cluster as a tree.
func (s Snapshot) Rows() []Row {
	if s.Cluster == nil {
		return nil
	}
	rows := []Row{{"Cluster", "Cluster/" + s.Cluster.Name + "  " + state(s.Cluster, clusterv1.AvailableCondition)}}
	if s.Infra != nil {
		host := s.Infra.Spec.ControlPlaneEndpoint.Host
		if host != "" {
			host = "  endpoint " + host
		}
		rows = append(rows, Row{"OCIMeshCluster", "├─OCIMeshCluster  " + state(s.Infra, infrav1.ReadyCondition) + host})
	}
	if s.ControlPlane != nil {
		rows = append(rows, Row{"KubeadmControlPlane", fmt.Sprintf("├─KubeadmControlPlane %s  %s",
			s.ControlPlane.Spec.Version, state(s.ControlPlane, clusterv1.AvailableCondition))})
		rows = append(rows, s.machineRows(ControlPlane, "│ ")...)
	}
	if s.Deployment != nil {
		rows = append(rows, Row{"MachineDeployment", "├─MachineDeployment  " + state(s.Deployment, clusterv1.AvailableCondition)})
		rows = append(rows, s.machineRows(Worker, "│ ")...)
	}
	if s.Pool != nil {
		rows = append(rows, Row{"MachinePool", fmt.Sprintf("├─MachinePool  %s, %d Nodes", s.Pool.Status.Phase, len(s.Pool.Status.NodeRefs))})
		rows = append(rows, s.machineRows(PoolMember, "│ ")...)
	}
	return lastBranch(rows)
}

// lastBranch draws the last of the Cluster's branches as such.
func lastBranch(rows []Row) []Row {
	for i := len(rows) - 1; i > 0; i-- {
		if strings.HasPrefix(rows[i].Text, "├─") {
			rows[i].Text = strings.Replace(rows[i].Text, "├─", "└─", 1)
			break
		}
		rows[i].Text = strings.Replace(rows[i].Text, "│ ", "  ", 1)
	}
	return rows
}

func (s Snapshot) machineRows(r Role, indent string) []Row {
	var rows []Row
	for _, m := range s.Machines {
		if m.Role == r {
			rows = append(rows, Row{"Machine " + m.Name, indent + "├─" + m.text()})
		}
	}
	if n := len(rows); n > 0 {
		rows[n-1].Text = strings.Replace(rows[n-1].Text, "├─", "└─", 1)
	}
	return rows
}

func (m Machine) text() string {
	status := "Ready"
	switch {
	case m.Deleting:
		status = "Deleting"
	case !m.Ready:
		status = m.Phase
	}
	where := "not placed"
	if m.Account != "" {
		where = m.Account
		if m.Place != "" {
			where += "/fd-" + m.Place
		}
	}
	line := fmt.Sprintf("%-34s %-12s %s  %-13s %s", m.Name, status, m.Version, where, m.State)
	if m.Problem != "" {
		line += "  " + m.Problem
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
	if m := Message(object, condition); m != "" {
		return "not " + condition + ": " + m
	}
	return "not " + condition
}
