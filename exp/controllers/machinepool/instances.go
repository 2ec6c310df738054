// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/cluster-api/util/labels/format"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

// instances makes an object for each instance that polls show, and records what the MachinePool is
// told of them.
func (r *Reconciler) instances(ctx context.Context, s *scope) error {
	if trouble := s.cache.Trouble(s.now); trouble != nil {
		return trouble
	}
	if _, polled := s.cache.Age(s.now); !polled {
		s.cache.Hurry()
		s.WaitFor(s.Intervals.Progress, expv1.InstancesReadyCondition, infrav1.WaitingReason, "Waiting for account %s to be polled", s.account.Name)
		return nil
	}
	if err := s.askForUnlisted(ctx); err != nil {
		return err
	}
	for _, own := range instance.Of(s.owner, s.cache.Tagged(s.identity)) {
		if !own.State.IsEnding() {
			s.live = append(s.live, own.Instance)
		}
	}
	if err := s.listMachines(ctx, r.Client); err != nil {
		return err
	}
	for _, live := range s.live {
		if err := s.ensureMachine(ctx, r.Client, live); err != nil {
			return err
		}
	}
	s.sortMachines()
	s.record()
	return nil
}

// askForUnlisted asks for each recorded instance that the last list does not show. A list may leave
// out what is there, and Cluster API deletes the Node of what leaves the record. The cache keeps
// the answer, so that nothing is asked for twice before another list leaves it out.
func (s *scope) askForUnlisted(ctx context.Context) error {
	for _, recorded := range s.own.Status.Instances {
		seen, known := s.cache.Instance(cloud.InstanceIDOf(recorded.ProviderID))
		if known && (seen.Listed || seen.State == oci.StateTerminated) {
			continue
		}
		found, exists, err := instance.Observe(ctx, s.client, cloud.InstanceIDOf(recorded.ProviderID))
		if err != nil {
			return err
		}
		if !exists {
			found = seen.Instance
			found.State = oci.StateTerminated
		}
		// What has not the tags is nobody's here, or was never seen and is gone.
		if _, proven := s.owner.Tagged(found.ID, found.Tags); proven {
			s.cache.Note(found, s.now)
		}
	}
	return nil
}

// listMachines reads the objects that stand for the pool's instances.
func (s *scope) listMachines(ctx context.Context, c client.Reader) error {
	list := &expv1.OCIMeshMachinePoolMachineList{}
	if err := c.List(ctx, list, client.InNamespace(s.own.Namespace), client.MatchingLabels(s.labels())); err != nil {
		return fmt.Errorf("listing the pool's machines: %w", err)
	}
	// Users write labels. Those of another pool's machines may have been copied.
	s.machines = slices.DeleteFunc(list.Items, func(m expv1.OCIMeshMachinePoolMachine) bool { return poolid.NameIn(&m) != s.own.Name })
	return nil
}

// labels are what Cluster API finds the objects of a MachinePool's instances by.
func (s *scope) labels() map[string]string {
	name := s.own.Labels[clusterv1.MachinePoolNameLabel]
	if s.machinePool != nil {
		name = format.MustFormatValue(s.machinePool.Name)
	}
	return map[string]string{clusterv1.ClusterNameLabel: s.clusterName(), clusterv1.MachinePoolNameLabel: name}
}

func (s *scope) clusterName() string {
	if s.machinePool != nil {
		return s.machinePool.Spec.ClusterName
	}
	return s.own.Labels[clusterv1.ClusterNameLabel]
}

// ensureMachine makes the object of an instance. Its name follows from the instance, so that no
// crash makes two.
func (s *scope) ensureMachine(ctx context.Context, c client.Writer, live oci.Instance) error {
	name := cloudinit.InstanceHostname(s.prefix, live.ID)
	if slices.ContainsFunc(s.machines, func(m expv1.OCIMeshMachinePoolMachine) bool { return m.Name == name }) {
		return nil
	}
	machine := &expv1.OCIMeshMachinePoolMachine{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.own.Namespace, Name: name, Labels: s.labels(),
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: expv1.GroupVersion.String(), Kind: poolid.Kind, Name: s.own.Name, UID: s.own.UID,
			}},
		},
		Spec: expv1.OCIMeshMachinePoolMachineSpec{ProviderID: cloud.ProviderID(live.ID)},
	}
	for key, value := range s.own.Labels {
		if key == clusterv1.WatchLabel {
			machine.Labels[key] = value
		}
	}
	if err := c.Create(ctx, machine); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making the object of instance %s: %w", live.ID, err)
	}
	s.machines = append(s.machines, *machine)
	return nil
}

// sortMachines orders the objects by the age of their instances, oldest first. A list from the
// manager's cache has another order each time: who has to go, and who is told of, would be chance.
// Those without an instance come last, by name.
func (s *scope) sortMachines() {
	age := map[string]int{}
	for i, live := range s.live {
		age[cloud.ProviderID(live.ID)] = i - len(s.live)
	}
	slices.SortFunc(s.machines, func(a, b expv1.OCIMeshMachinePoolMachine) int {
		return cmp.Or(cmp.Compare(age[a.Spec.ProviderID], age[b.Spec.ProviderID]), strings.Compare(a.Name, b.Name))
	})
}

// record writes down what the contract asks for: replicas, and the provider IDs of the nodes that
// belong to the pool.
func (s *scope) record() {
	replicas := int32(len(s.live)) //nolint:gosec // OCI's pools hold far fewer.
	s.own.Status.Replicas = &replicas
	s.own.Spec.ProviderIDList, s.own.Status.Instances = nil, nil
	for _, live := range s.live {
		ready := false
		name := cloudinit.InstanceHostname(s.prefix, live.ID)
		for i := range s.machines {
			ready = ready || s.machines[i].Name == name && conditions.IsTrue(&s.machines[i], infrav1.ReadyCondition)
		}
		s.own.Spec.ProviderIDList = append(s.own.Spec.ProviderIDList, cloud.ProviderID(live.ID))
		s.own.Status.Instances = append(s.own.Status.Instances, expv1.PoolInstanceStatus{
			InstanceName: name, ProviderID: cloud.ProviderID(live.ID), State: string(live.State), Ready: &ready,
		})
	}
}

// joining tells of the instances that are not ready, by the message of the oldest.
func (s *scope) joining() *access.Problem {
	var message string
	count := 0
	for i := range s.machines {
		machine := &s.machines[i]
		if !machine.DeletionTimestamp.IsZero() || conditions.IsTrue(machine, infrav1.ReadyCondition) {
			continue
		}
		count++
		if message == "" {
			message = fmt.Sprintf("%s: %s", machine.Name, cmp.Or(conditions.GetMessage(machine, infrav1.ReadyCondition), "it has not been checked yet"))
		}
	}
	if count == 0 {
		return nil
	}
	return access.NewProblem(expv1.InstancesJoiningReason, "%d of %d instances are not ready; %s", count, len(s.machines), message)
}
