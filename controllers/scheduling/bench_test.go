// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
)

// synced is a watch that has shown all there is.
type synced struct {
	toolscache.ResourceEventHandlerRegistration
}

// HasSynced is true.
func (synced) HasSynced() bool { return true }

// BenchmarkADecision is one decision and its reservation among machines that are there, in 50
// accounts with a budget, whose polls show all instances.
func BenchmarkADecision(b *testing.B) {
	for _, machines := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("among %d machines", machines), func(b *testing.B) {
			s, cluster := crowded(b, machines, 50)
			request := requestOf(machineIn("own", infrav1.Placement{}))
			request.InfraCluster = cluster
			now := time.Now()
			for b.Loop() {
				if _, _, placed, err := s.decide(b.Context(), request, nil, now); err != nil || placed.Account == "" {
					b.Fatal("no place", err)
				}
				s.Cancel(b.Context(), request.Key)
			}
		})
	}
}

// crowded is a scheduler that has seen so many machines, spread over so many accounts of a cluster.
func crowded(b *testing.B, machines, accounts int) (*Scheduler, *infrav1.OCIMeshCluster) {
	b.Helper()
	held := &objects{all: map[string]client.Object{}}
	clients := access.New(access.Options{Client: held})
	s := New(Options{Client: held, APIReader: held, Access: clients, Pollers: poller.New(held, clients, poller.Options{})})
	s.watch = synced{}
	cluster := &infrav1.OCIMeshCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: blue.Name}}
	name := func(i int) string { return fmt.Sprintf("account-%d", i) }
	seen := make([][]oci.Instance, accounts)
	for i := range machines {
		machine := machineIn(fmt.Sprintf("worker-%d", i), at(1, name(i%accounts)))
		s.reservations.observe(machine)
		seen[i%accounts] = append(seen[i%accounts], oci.Instance{
			Resource: oci.Resource{ID: string(machine.UID), State: oci.StateRunning, Tags: identity.OfMachine(machine).Tags()},
			Shape:    arm, OCPUs: 2, MemoryGB: 12, AvailabilityDomain: name(i%accounts) + "-ad",
		})
	}
	for i := range accounts {
		account := &infrav1.OCIAccount{ObjectMeta: metav1.ObjectMeta{Name: name(i), UID: types.UID(name(i))}}
		account.Spec.AllowedNamespaces.List = []string{namespace}
		account.Spec.Budget.Families = []infrav1.FamilyBudget{{Family: armFamily, OCPUs: ptr.To[int32](1000000)}}
		account.Status.AvailabilityDomains = []infrav1.AvailabilityDomain{{Name: name(i) + "-ad", ShortName: "ad-1", FaultDomains: []string{"fd"}}}
		held.put(account)
		now := time.Now()
		s.options.Pollers.Cache(account).Complete(seen[i], now, now)
		cluster.Spec.Accounts = append(cluster.Spec.Accounts, infrav1.ClusterAccount{Name: account.Name})
		cluster.Status.Accounts = append(cluster.Status.Accounts, infrav1.ClusterAccountStatus{
			Name: account.Name, Ready: ptr.To(true), SubnetID: "subnet",
		})
	}
	return s, cluster
}

// BenchmarkRefusedMachines is a pass over 1,000 machines that full accounts refuse, each with its
// advice. Half of the machines that are there are of the same cluster, and some are on their way
// out.
func BenchmarkRefusedMachines(b *testing.B) {
	const machines, accounts, refused = 10000, 10, 1000
	s, cluster := crowded(b, machines, accounts)
	crowd(s, machines, accounts)
	held, ok := s.options.Client.(*objects)
	if !ok {
		b.Fatal("another client")
	}
	full := ptr.To[int32](2 * machines / accounts)
	for _, object := range held.all {
		if account, ok := object.(*infrav1.OCIAccount); ok {
			account.Spec.Budget.Families[0].OCPUs = full
		}
	}
	requests := make([]Request, refused)
	for i := range requests {
		requests[i] = requestOf(machineIn(fmt.Sprintf("refused-%d", i), infrav1.Placement{}))
		requests[i].InfraCluster = cluster
		requests[i].Spec.Shapes[0].OCPUs, requests[i].Spec.Shapes[0].MemoryGB = 8, 64
	}
	now := time.Now()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		for _, request := range requests {
			if _, refusal, err := s.schedule(b.Context(), request, now); err != nil || refusal == nil {
				b.Fatal("it is placed", err)
			}
		}
	}
	runtime.ReadMemStats(&after)
	each := float64(b.N * refused)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/each, "ns/refused")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/each, "allocs/refused")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/each, "B/refused")
}

// crowd gives every other machine another cluster, and has each hundredth be deleted.
func crowd(s *Scheduler, machines, accounts int) {
	for i := range machines {
		machine := machineIn(fmt.Sprintf("worker-%d", i), at(1, fmt.Sprintf("account-%d", i%accounts)))
		if i/accounts%2 == 0 {
			machine.Labels[clusterv1.ClusterNameLabel] = "red"
		}
		if i%100 == 0 {
			machine.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		}
		s.reservations.observe(machine)
	}
}
