// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

const armFamily = "Standard.A1"

// setBudget gives an account a budget of instances of the bench's usual shape.
func (b *bench) setBudget(t *testing.T, i int, instances int32) {
	t.Helper()
	helpers.Update(t, b.Environment, b.Accounts[i], func(account *infrav1.OCIAccount) {
		account.Spec.Budget = infrav1.AccountBudget{Families: []infrav1.FamilyBudget{{Family: armFamily, Instances: ptr.To(instances)}}}
	})
}

func TestABudgetIsSharedByAllClustersAndFreedByWhatGoes(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.setBudget(t, 0, 2)
	first := b.machine(t, "first")
	b.untilProvisioned(t, first)
	b.cluster, b.infra = b.newCluster(t, "red")
	second := b.machine(t, "second")
	b.untilProvisioned(t, second)

	third := b.machine(t, "third")
	b.untilCondition(t, third, "Ready False BudgetExceeded")

	g.Expect(helpers.MessageOf(third, infrav1.PlacedCondition)).To(And(
		ContainSubstring(b.Accounts[0].Name+": its budget has 0 of 2 instances of Standard.A1 left, and 1 are needed"),
		ContainSubstring("raise spec.budget of OCIAccount "+b.Accounts[0].Name+", or delete machines in it; add accounts"),
	))
	g.Expect(b.calls("LaunchInstance")).To(Equal(2))
	b.delete(t, first)
	b.untilProvisioned(t, third)
	g.Expect(b.instances(t)).To(HaveLen(2))
}

// A rollout's first new machine finds every account full: the one that is there stays, and a
// condition and an event say what to change.
func TestARolloutThatDoesNotFitSaysWhichChangeMakesItFit(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	recorder := events.NewFakeRecorder(100)
	b.r.Recorder = recorder
	b.setBudget(t, 0, 1)
	inSet := func(set string) func(*clusterv1.Machine, *infrav1.OCIMeshMachine) {
		return func(machine *clusterv1.Machine, _ *infrav1.OCIMeshMachine) {
			machine.Labels[clusterv1.MachineDeploymentNameLabel], machine.Labels[clusterv1.MachineSetNameLabel] = "workers", set
		}
	}
	b.untilProvisioned(t, b.machine(t, "old", inSet("workers-1")))

	surge := b.machine(t, "new", inSet("workers-2"))
	b.untilCondition(t, surge, "Ready False BudgetExceeded")

	g.Expect(helpers.MessageOf(surge, infrav1.PlacedCondition)).To(And(
		ContainSubstring("its budget has 0 of 1 instances of Standard.A1 left, and 1 are needed"),
		ContainSubstring("set maxSurge: 0 and maxUnavailable: 1 on MachineDeployment workers"),
	))
	g.Eventually(recorder.Events, time.Minute).Should(Receive(And(HavePrefix("Warning BudgetExceeded "), ContainSubstring("maxSurge: 0"))))
	g.Expect(b.calls("LaunchInstance")).To(Equal(1))
}

func TestAnOwnerIsNamedByWhatRollsItsMachinesOut(t *testing.T) {
	g := NewWithT(t)
	machine := helpers.NewMachine(helpers.NewCluster("ns", "blue"), "m")
	g.Expect(ownerOf(machine)).To(BeEmpty())
	machine.OwnerReferences = []metav1.OwnerReference{{Kind: "KubeadmControlPlane", Name: "blue-cp", Controller: ptr.To(true)}}
	g.Expect(ownerOf(machine)).To(Equal("KubeadmControlPlane blue-cp"))
	machine.Labels[clusterv1.MachineDeploymentNameLabel] = "workers"
	g.Expect(ownerOf(machine)).To(Equal("MachineDeployment workers"))

	cluster := &clusterv1.Cluster{}
	g.Expect(controlPlanesOf(cluster)).To(BeZero())
	cluster.Status.ControlPlane = &clusterv1.ClusterControlPlaneStatus{DesiredReplicas: ptr.To[int32](3)}
	g.Expect(controlPlanesOf(cluster)).To(Equal(3))
}

// The manager stops between the decision and the launch: what is placed keeps its part of the
// budget.
func TestAReservationSurvivesARestart(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.setBudget(t, 0, 1)
	placed := b.machine(t, "placed")
	b.untilPlaced(t, placed)
	g.Expect(b.calls("LaunchInstance")).To(BeZero())

	b.pollers = poller.New(env.Client, b.Clients, poller.Options{PollInterval: tick, ProgressInterval: tick, Clock: b.now})
	b.r = b.reconciler()
	late := b.machine(t, "late")
	b.untilCondition(t, late, "Ready False BudgetExceeded")
	b.untilProvisioned(t, placed)
	b.untilCondition(t, late, "Ready False BudgetExceeded")
	g.Expect(b.instances(t)).To(HaveLen(1))
}

// A machine without its status is not counted by it, but its instance is there.
func TestAnInstanceWhoseMachineLostItsStatusCountsForTheBudget(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.setBudget(t, 0, 1)
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)
	b.losesStatus(t, own)
	b.r = b.reconciler()

	late := b.machine(t, "late")
	b.untilCondition(t, late, "Ready False BudgetExceeded")
	g.Expect(b.calls("LaunchInstance")).To(Equal(1))
}

func TestAlwaysFreeStaysFree(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.Budget.AlwaysFree = ptr.To(true)
	})
	sized := func(ocpus, memory int32) func(*clusterv1.Machine, *infrav1.OCIMeshMachine) {
		return func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
			own.Spec.Shapes = []infrav1.Shape{{Name: arm, OCPUs: ocpus, MemoryGB: memory}}
		}
	}
	b.untilCondition(t, b.machine(t, "large", sized(4, 24)), "Ready False BudgetExceeded")
	b.untilProvisioned(t, b.machine(t, "half", sized(1, 6)))
	b.untilProvisioned(t, b.machine(t, "other-half", sized(1, 6)))
	b.untilCondition(t, b.machine(t, "more", sized(1, 6)), "Ready False BudgetExceeded")
	costly := b.machine(t, "costly", func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
		own.Spec.Shapes = []infrav1.Shape{{Name: "VM.Standard.E5.Flex", OCPUs: 1, MemoryGB: 8}}
	})
	b.untilCondition(t, costly, "Ready False BudgetExceeded")
	g.Expect(helpers.MessageOf(costly, infrav1.PlacedCondition)).To(ContainSubstring("its budget does not list family Standard.E5"))
	g.Expect(b.instances(t)).To(HaveLen(2))
}

func TestAGPUCountsWithItsOwnOCPUs(t *testing.T) {
	const gpu = "VM.GPU.A10.1"
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Tenancy: func(_ int, tenancy *sim.Tenancy) {
		tenancy.Shapes = append(model.DefaultShapes(), model.Shape{
			Shape: gpu, ProcessorDescription: "2.6 GHz Intel Xeon Platinum 8358 (Ice Lake)", Ocpus: 15, MemoryInGBs: 240, MaxVnicAttachments: 2, Arch: "amd64",
		})
	}})
	helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.Budget = infrav1.AccountBudget{Families: []infrav1.FamilyBudget{{Family: "GPU.A10", OCPUs: ptr.To[int32](16)}}}
	})
	ofGPU := func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
		own.Spec.Shapes = []infrav1.Shape{{Name: gpu}}
	}
	b.untilProvisioned(t, b.machine(t, "first", ofGPU))
	second := b.machine(t, "second", ofGPU)
	b.untilCondition(t, second, "Placed False BudgetExceeded")
	g.Expect(helpers.MessageOf(second, infrav1.PlacedCondition)).To(
		ContainSubstring("its budget has 1 of 16 OCPUs of GPU.A10 left, and 15 are needed"))
}

func TestTwoHundredMachinesAtOnceWithABudgetForFifty(t *testing.T) {
	t.Parallel()
	const asked, budget, workers = 200, 50, 10
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2, Sim: sim.Options{PageSize: 100}, Tenancy: roomy})
	b.setBudget(t, 0, budget-20)
	b.setBudget(t, 1, 20)
	var all []*infrav1.OCIMeshMachine
	for i := range asked {
		all = append(all, b.machine(t, fmt.Sprintf("worker-%d", i)))
	}

	// By workers at the same time who read from a cache, with a restart when some are placed and
	// not launched.
	mgr := b.Manager(t, func(context.Context, manager.Manager) error { return nil }, b.Namespace)
	g.Expect(mgr.GetCache().WaitForCacheSync(t.Context())).To(BeTrue())
	b.restart(t, mgr)
	placed := map[string]int{}
	for round := 0; placed[""] != asked-budget || b.calls("LaunchInstance") < budget; round++ {
		g.Expect(round).To(BeNumerically("<", 100), "launched: %d, placed: %v", b.calls("LaunchInstance"), placed)
		if round == 4 {
			b.restart(t, mgr)
		}
		b.round(t, all, workers)
		g.Expect(b.calls("LaunchInstance")).To(BeNumerically("<=", budget))
		placed = map[string]int{}
		for _, own := range all {
			b.Reload(t, own)
			key := own.Status.Placement.Account
			if key == "" && !slices.Contains(helpers.ConditionsOf(own), "Placed False BudgetExceeded") {
				key = "undecided"
			}
			placed[key]++
		}
	}

	g.Expect(b.instances(t)).To(HaveLen(budget))
	g.Expect(placed).To(Equal(map[string]int{"": asked - budget, b.Accounts[0].Name: budget - 20, b.Accounts[1].Name: 20}))
}

// restart begins with a reconciler that knows nothing, and reads from the manager's cache as under
// main.
func (b *bench) restart(t *testing.T, mgr manager.Manager) {
	t.Helper()
	b.r = b.reconciler()
	own := ownAccounts{mgr.GetClient(), b.AccountNames()}
	b.r.Client, b.r.Scheduler = own, b.scheduler(own, b.r.Options)
	NewWithT(t).Expect(b.r.Scheduler.Watch(t.Context(), mgr.GetCache())).To(Succeed())
}

// round reconciles all machines once, some at the same time.
func (b *bench) round(t *testing.T, all []*infrav1.OCIMeshMachine, workers int) {
	t.Helper()
	NewWithT(t).Expect(b.poll(t.Context())).To(Succeed())
	queue := make(chan *infrav1.OCIMeshMachine)
	var crew sync.WaitGroup
	for range workers {
		crew.Go(func() {
			for own := range queue {
				if _, err := b.r.Reconcile(t.Context(), requestOf(own)); err != nil {
					t.Errorf("%s: %s", own.Name, err)
				}
			}
		})
	}
	for _, own := range all {
		queue <- own
	}
	close(queue)
	crew.Wait()
}

func TestWeightsShareMachinesOut(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	helpers.Update(t, b.Environment, b.infra, func(infra *infrav1.OCIMeshCluster) { infra.Spec.Accounts[1].Weight = 2 })
	placed := map[string]int{}
	for i := range 6 {
		own := b.machine(t, fmt.Sprintf("worker-%d", i))
		b.untilProvisioned(t, own)
		placed[own.Status.Placement.Account]++
	}
	g.Expect(placed).To(Equal(map[string]int{b.Accounts[0].Name: 2, b.Accounts[1].Name: 4}))
}

func TestAllAccountsAreDryAndCapacityReturnsInOne(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 3})
	for i := range b.Accounts {
		b.setCapacity(t, i, sim.CapacityKey{}, 0)
	}
	var all []*infrav1.OCIMeshMachine
	for i := range 6 {
		all = append(all, b.machine(t, fmt.Sprintf("worker-%d", i)))
		b.untilCondition(t, all[i], "Ready False NoCapacity")
	}
	const places = 3 * 3
	g.Expect(b.calls("LaunchInstance")).To(Equal(places), "what one has found out, nobody else tries")

	// Nothing has returned: each place is tried again once, by one of the machines.
	b.sleep(6 * time.Minute)
	for range 5 {
		for _, own := range all {
			b.pass(t, own)
		}
	}
	g.Expect(b.calls("LaunchInstance")).To(Equal(2 * places))

	b.setCapacity(t, 1, sim.CapacityKey{}, 100)
	b.sleep(11 * time.Minute)
	for _, own := range all {
		b.untilProvisioned(t, own)
		g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
	}
}

func TestALimitBelowUseAndInstancesOfOthersKeepNewMachinesOut(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	own := b.machine(t, "worker", inAccount(b, 0))
	b.untilProvisioned(t, own)
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	_, err = c.LaunchInstance(t.Context(), oci.LaunchSpec{
		DisplayName: "somebody-elses", AvailabilityDomain: own.Status.Placement.AvailabilityDomain, Shape: arm, OCPUs: 3, MemoryGB: 18,
		ImageID: own.Status.Placement.ImageID, SubnetID: b.infra.Status.Accounts[0].SubnetID,
	})
	g.Expect(err).NotTo(HaveOccurred())
	limit := func(value int64) {
		b.Reload(t, b.Accounts[0])
		b.Accounts[0].Status.Limits = []infrav1.ServiceLimit{{
			Name: "standard-a1-core-count", AvailabilityDomain: own.Status.Placement.AvailabilityDomain, Value: &value,
		}}
		g.Expect(b.Client.Status().Update(t.Context(), b.Accounts[0])).To(Succeed())
	}
	b.OCI.ResetCalls()

	limit(2)
	late := b.machine(t, "late", inAccount(b, 0))
	b.untilCondition(t, late, "Ready False NoCapacity")
	g.Expect(helpers.MessageOf(late, infrav1.PlacedCondition)).To(ContainSubstring("OCI's limit standard-a1-core-count leaves the compartment 2 and "))
	g.Expect(b.calls("LaunchInstance")).To(BeZero(), "it would be refused")
	b.untilProvisioned(t, own)
	g.Expect(b.instances(t)).To(HaveLen(2), "what is there stays")

	limit(100)
	b.untilProvisioned(t, late)
	g.Expect(b.calls("TerminateInstance")).To(BeZero())
}
