// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace

import (
	"encoding/json"
	"os"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	runtimehooksv1 "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

func raw(t *testing.T, object any) runtime.RawExtension {
	t.Helper()
	text, err := json.Marshal(object)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return runtime.RawExtension{Raw: text}
}

func machineOf(kind string, change func(*infrav1.OCIMeshMachineSpec)) *infrav1.OCIMeshMachine {
	own := helpers.NewOCIMeshMachine(&clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "machine"}})
	own.TypeMeta = metav1.TypeMeta{APIVersion: infrav1.GroupVersion.String(), Kind: kind}
	change(&own.Spec)
	return own
}

func TestCanUpdateMachineAnswersWithWhatTheProviderTakesOver(t *testing.T) {
	type spec = infrav1.OCIMeshMachineSpec
	same := func(*spec) {}
	for name, world := range map[string]struct {
		kind   string
		change func(*spec)
		want   string
	}{
		"a size": {"OCIMeshMachine", func(s *spec) { s.Shapes[0].OCPUs = 1 },
			`[{"op":"add","path":"/spec/shapes","value":[{"name":"VM.Standard.A1.Flex","ocpus":1,"memoryGB":12}]}]`},
		"an image":            {"OCIMeshMachine", func(s *spec) { s.Image = infrav1.Image{Name: "golden"} }, ""},
		"nothing":             {"OCIMeshMachine", same, ""},
		"another kind's size": {"AWSMachine", func(s *spec) { s.Shapes[0].OCPUs = 1 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			request, response := &runtimehooksv1.CanUpdateMachineRequest{}, &runtimehooksv1.CanUpdateMachineResponse{}
			request.Current.InfrastructureMachine = raw(t, machineOf(world.kind, same))
			request.Desired.InfrastructureMachine = raw(t, machineOf(world.kind, world.change))
			(&Handlers{}).CanUpdateMachine(t.Context(), request, response)
			g.Expect(response.Status).To(Equal(runtimehooksv1.ResponseStatusSuccess))
			g.Expect(response.MachinePatch.IsDefined()).To(BeFalse(), "a version needs another machine")
			g.Expect(response.BootstrapConfigPatch.IsDefined()).To(BeFalse())
			if world.want == "" {
				g.Expect(response.InfrastructureMachinePatch.IsDefined()).To(BeFalse())
				return
			}
			g.Expect(response.InfrastructureMachinePatch.PatchType).To(Equal(runtimehooksv1.JSONPatchType))
			g.Expect(response.InfrastructureMachinePatch.Patch).To(MatchJSON(world.want))
		})
	}
}

func TestCanUpdateMachineTakesOverWhatWasForKubeadmInitAlone(t *testing.T) {
	g := NewWithT(t)
	config := func(phases ...string) runtime.RawExtension {
		return raw(t, &bootstrapv1.KubeadmConfig{
			TypeMeta: metav1.TypeMeta{APIVersion: bootstrapv1.GroupVersion.String(), Kind: "KubeadmConfig"},
			Spec: bootstrapv1.KubeadmConfigSpec{
				Format: bootstrapv1.CloudConfig, JoinConfiguration: bootstrapv1.JoinConfiguration{SkipPhases: phases},
			},
		})
	}
	request, response := &runtimehooksv1.CanUpdateMachineRequest{}, &runtimehooksv1.CanUpdateMachineResponse{}
	request.Current.BootstrapConfig, request.Desired.BootstrapConfig = config("addon/kube-proxy"), config()
	(&Handlers{}).CanUpdateMachine(t.Context(), request, response)
	g.Expect(response.Status).To(Equal(runtimehooksv1.ResponseStatusSuccess))
	g.Expect(response.BootstrapConfigPatch.Patch).To(MatchJSON(`[{"op":"remove","path":"/spec/joinConfiguration/skipPhases"}]`))
}

func TestCanUpdateMachineSetAnswersForTheTemplates(t *testing.T) {
	g := NewWithT(t)
	template := func(change func(*infrav1.OCIMeshMachineSpec)) *infrav1.OCIMeshMachineTemplate {
		return &infrav1.OCIMeshMachineTemplate{
			TypeMeta: metav1.TypeMeta{APIVersion: infrav1.GroupVersion.String(), Kind: "OCIMeshMachineTemplate"},
			Spec:     infrav1.OCIMeshMachineTemplateSpec{Template: infrav1.OCIMeshMachineTemplateResource{Spec: machineOf("", change).Spec}},
		}
	}
	request, response := &runtimehooksv1.CanUpdateMachineSetRequest{}, &runtimehooksv1.CanUpdateMachineSetResponse{}
	request.Current.InfrastructureMachineTemplate = raw(t, template(func(*infrav1.OCIMeshMachineSpec) {}))
	request.Desired.InfrastructureMachineTemplate = raw(t, template(func(s *infrav1.OCIMeshMachineSpec) { s.Tags = map[string]string{"a": "b"} }))
	(&Handlers{}).CanUpdateMachineSet(t.Context(), request, response)
	g.Expect(response.Status).To(Equal(runtimehooksv1.ResponseStatusSuccess))
	g.Expect(response.InfrastructureMachineTemplatePatch.Patch).To(MatchJSON(`[{"op":"add","path":"/spec/template/spec/tags","value":{"a":"b"}}]`))
}

func TestARequestThatCannotBeReadFails(t *testing.T) {
	g := NewWithT(t)
	request, response := &runtimehooksv1.CanUpdateMachineRequest{}, &runtimehooksv1.CanUpdateMachineResponse{}
	request.Current.InfrastructureMachine.Raw = []byte("not JSON")
	(&Handlers{}).CanUpdateMachine(t.Context(), request, response)
	g.Expect(response.Status).To(Equal(runtimehooksv1.ResponseStatusFailure))
	g.Expect(response.Message).To(ContainSubstring("reading an object"))
}

func TestUpdateMachineTellsHowFarTheControllerIs(t *testing.T) {
	for name, world := range map[string]struct {
		unmarked, behind, agent bool
		updated                 *metav1.Condition
		// recorded is the version that the node was brought to last.
		kubelet, recorded string
		status            runtimehooksv1.ResponseStatus
		again             int32
		message           string
	}{
		"the mark is not seen yet":            {unmarked: true, status: runtimehooksv1.ResponseStatusSuccess, again: soon, message: "to see"},
		"the change is not seen yet":          {behind: true, status: runtimehooksv1.ResponseStatusSuccess, again: soon, message: "to see"},
		"nothing was done yet":                {status: runtimehooksv1.ResponseStatusSuccess, again: soon, message: "to begin"},
		"what was done is of before":          {updated: &metav1.Condition{Status: metav1.ConditionTrue, ObservedGeneration: -1}, status: runtimehooksv1.ResponseStatusSuccess, again: soon, message: "to begin"},
		"it is under way":                     {updated: &metav1.Condition{Status: metav1.ConditionFalse, Message: "Growing"}, status: runtimehooksv1.ResponseStatusSuccess, again: 10, message: "Growing"},
		"it is done":                          {updated: &metav1.Condition{Status: metav1.ConditionTrue}, status: runtimehooksv1.ResponseStatusSuccess},
		"another build of the version":        {updated: &metav1.Condition{Status: metav1.ConditionTrue}, kubelet: "v1.36.3+vendor.1", status: runtimehooksv1.ResponseStatusSuccess},
		"the version has changed as well":     {updated: &metav1.Condition{Status: metav1.ConditionTrue}, kubelet: "v1.36.1", status: runtimehooksv1.ResponseStatusFailure, message: "delete the Machine"},
		"the version has not changed":         {updated: &metav1.Condition{Status: metav1.ConditionTrue}, kubelet: "v1.36.1", recorded: "v1.36.3", status: runtimehooksv1.ResponseStatusSuccess},
		"nor has it with an agent":            {agent: true, updated: &metav1.Condition{Status: metav1.ConditionTrue}, kubelet: "v1.36.1", recorded: "v1.36.3", status: runtimehooksv1.ResponseStatusSuccess},
		"the agent's end is an update's ago":  {agent: true, updated: &metav1.Condition{Status: metav1.ConditionTrue}, recorded: "v1.36.2", status: runtimehooksv1.ResponseStatusSuccess, again: soon, message: "Waiting for the node to run v1.36.3"},
		"the node's agent has not begun":      {agent: true, updated: &metav1.Condition{Status: metav1.ConditionTrue}, kubelet: "v1.36.1", status: runtimehooksv1.ResponseStatusSuccess, again: soon, message: "Waiting for the node to run v1.36.3"},
		"the node's agent is at it":           {agent: true, updated: &metav1.Condition{Status: metav1.ConditionFalse, Message: "Node a gets it"}, kubelet: "v1.36.1", status: runtimehooksv1.ResponseStatusSuccess, again: 10, message: "Node a gets it"},
		"kubelet runs, the agent is not done": {agent: true, updated: &metav1.Condition{Status: metav1.ConditionFalse, Message: "Node a gets it"}, status: runtimehooksv1.ResponseStatusSuccess, again: 10, message: "Node a gets it"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			machine, own := updatedMachine(t, !world.unmarked, world.kubelet)
			if world.agent {
				metav1.SetMetaDataAnnotation(&own.ObjectMeta, infrav1.NodeAgentAnnotation, "")
				g.Expect(env.Client.Update(t.Context(), own)).To(Succeed())
			}
			if world.updated != nil {
				world.updated.Type, world.updated.Reason = infrav1.UpdatedCondition, infrav1.UpdatingReason
				world.updated.ObservedGeneration += own.Generation
				world.updated.LastTransitionTime = metav1.Now()
				own.Status.Conditions, own.Status.KubernetesVersion = []metav1.Condition{*world.updated}, world.recorded
				g.Expect(env.Client.Status().Update(t.Context(), own)).To(Succeed())
			}
			own.TypeMeta = metav1.TypeMeta{APIVersion: infrav1.GroupVersion.String(), Kind: "OCIMeshMachine"}
			if world.behind {
				own.Spec.Shapes[0].OCPUs = 4
			}
			response := howFar(t, machine, own)

			g.Expect(response.Status).To(Equal(world.status), response.Message)
			g.Expect(response.RetryAfterSeconds).To(Equal(world.again))
			g.Expect(response.Message).To(ContainSubstring(world.message))
		})
	}
}

// howFar is what Cluster API is told of a machine's update.
func howFar(t *testing.T, machine *clusterv1.Machine, own *infrav1.OCIMeshMachine) *runtimehooksv1.UpdateMachineResponse {
	t.Helper()
	own.TypeMeta = metav1.TypeMeta{APIVersion: infrav1.GroupVersion.String(), Kind: "OCIMeshMachine"}
	request, response := &runtimehooksv1.UpdateMachineRequest{}, &runtimehooksv1.UpdateMachineResponse{}
	request.Desired.Machine, request.Desired.InfrastructureMachine = *machine, raw(t, own)
	(&Handlers{Client: env.Client}).UpdateMachine(t.Context(), request, response)
	return response
}

func TestAControlPlanesUpdateEndsWhenItsOwnerHasLookedOnceMore(t *testing.T) {
	const progress = "In-place update in progress: "
	etcd, scheduler := controlplanev1.KubeadmControlPlaneMachineEtcdMemberHealthyCondition, controlplanev1.KubeadmControlPlaneMachineSchedulerPodHealthyCondition
	for name, world := range map[string]struct {
		condition string
		status    metav1.ConditionStatus
		// other changes another control plane, whose scheduler is not ready.
		other func(*clusterv1.Machine)
		// says is what the Machine says of its update.
		says, message string
	}{
		"its etcd is not healthy":    {condition: etcd, status: metav1.ConditionFalse, message: "to find EtcdMemberHealthy of Machine machine true"},
		"nobody knows its etcd":      {condition: etcd, status: metav1.ConditionUnknown, message: "to find EtcdMemberHealthy of Machine machine true"},
		"its etcd is healthy":        {condition: etcd, status: metav1.ConditionTrue},
		"its scheduler was ready":    {condition: scheduler, status: metav1.ConditionTrue, says: progress + "Node a gets it", message: lookAgain},
		"its scheduler is ready":     {condition: scheduler, status: metav1.ConditionTrue, says: progress + lookAgain},
		"its scheduler is not ready": {condition: scheduler, status: metav1.ConditionFalse, says: progress + lookAgain, message: "to find SchedulerPodHealthy of Machine machine true"},
		"another's is not":           {condition: scheduler, status: metav1.ConditionTrue, says: progress + lookAgain, other: func(*clusterv1.Machine) {}, message: "to find SchedulerPodHealthy of Machine other true"},
		"another comes":              {condition: scheduler, status: metav1.ConditionTrue, says: progress + lookAgain, other: func(m *clusterv1.Machine) { m.Status.NodeRef.Name = "" }},
		"a worker's is not":          {condition: scheduler, status: metav1.ConditionTrue, says: progress + lookAgain, other: func(m *clusterv1.Machine) { delete(m.Labels, clusterv1.MachineControlPlaneLabel) }},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			machine, own := updatedMachine(t, true, "")
			if world.other != nil {
				controlPlane(t, machine.Namespace, "other", scheduler, world.other)
			}
			isControlPlane(t, machine)
			conditions.Set(machine, metav1.Condition{Type: world.condition, Status: world.status, Reason: "Looked"})
			conditions.Set(machine, metav1.Condition{Type: clusterv1.MachineUpdatingCondition, Status: metav1.ConditionTrue, Reason: "InPlaceUpdating", Message: world.says})
			g.Expect(env.Client.Status().Update(t.Context(), machine)).To(Succeed())
			own.Status.Conditions = []metav1.Condition{{
				Type: infrav1.UpdatedCondition, Status: metav1.ConditionTrue, Reason: "Updated", ObservedGeneration: own.Generation, LastTransitionTime: metav1.Now(),
			}}
			g.Expect(env.Client.Status().Update(t.Context(), own)).To(Succeed())

			response := howFar(t, machine, own)

			g.Expect(response.Status).To(Equal(runtimehooksv1.ResponseStatusSuccess), response.Message)
			g.Expect(response.Message).To(ContainSubstring(world.message))
			g.Expect(response.RetryAfterSeconds != 0).To(Equal(world.message != ""))
		})
	}
}

// isControlPlane makes a Machine a control plane with a Node.
func isControlPlane(t *testing.T, machine *clusterv1.Machine) {
	t.Helper()
	machine.Labels[clusterv1.MachineControlPlaneLabel] = ""
	NewWithT(t).Expect(env.Client.Update(t.Context(), machine)).To(Succeed())
	machine.Status.NodeInfo = &corev1.NodeSystemInfo{KubeletVersion: machine.Spec.Version}
	machine.Status.NodeRef.Name = machine.Name
}

// controlPlane is one of which a condition is False.
func controlPlane(t *testing.T, namespace, name, condition string, change func(*clusterv1.Machine)) {
	t.Helper()
	machine := helpers.NewMachine(helpers.NewCluster(namespace, "blue"), name)
	env.Create(t, machine)
	isControlPlane(t, machine)
	conditions.Set(machine, metav1.Condition{Type: condition, Status: metav1.ConditionFalse, Reason: "Looked"})
	change(machine)
	status := machine.Status
	NewWithT(t).Expect(env.Client.Update(t.Context(), machine)).To(Succeed())
	machine.Status = status
	NewWithT(t).Expect(env.Client.Status().Update(t.Context(), machine)).To(Succeed())
}

func TestUpdateMachineFailsForAnotherProvidersMachine(t *testing.T) {
	g := NewWithT(t)
	request, response := &runtimehooksv1.UpdateMachineRequest{}, &runtimehooksv1.UpdateMachineResponse{}
	request.Desired.InfrastructureMachine = raw(t, machineOf("AWSMachine", func(*infrav1.OCIMeshMachineSpec) {}))
	(&Handlers{Client: env.Client}).UpdateMachine(t.Context(), request, response)
	g.Expect(response.Status).To(Equal(runtimehooksv1.ResponseStatusFailure))
	g.Expect(response.Message).To(ContainSubstring("updates OCIMeshMachines"))
}

func TestUpdateMachineFailsForAnOCIMeshMachineThatIsNotTheMachines(t *testing.T) {
	for name, change := range map[string]func(*clusterv1.Machine){
		"of another namespace": func(machine *clusterv1.Machine) { machine.Namespace = "another" },
		"of another name":      func(machine *clusterv1.Machine) { machine.Spec.InfrastructureRef.Name = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			machine, own := updatedMachine(t, true, "")
			own.TypeMeta = metav1.TypeMeta{APIVersion: infrav1.GroupVersion.String(), Kind: "OCIMeshMachine"}
			change(machine)
			request, response := &runtimehooksv1.UpdateMachineRequest{}, &runtimehooksv1.UpdateMachineResponse{}
			request.Desired.Machine, request.Desired.InfrastructureMachine = *machine, raw(t, own)
			(&Handlers{Client: env.Client}).UpdateMachine(t.Context(), request, response)
			g.Expect(response.Status).To(Equal(runtimehooksv1.ResponseStatusFailure))
			g.Expect(response.Message).To(ContainSubstring("is not Machine "))
		})
	}
}

// updatedMachine is a Machine with its OCIMeshMachine, as Cluster API leaves them when it
// triggers an update.
func updatedMachine(t *testing.T, marked bool, kubelet string) (*clusterv1.Machine, *infrav1.OCIMeshMachine) {
	t.Helper()
	g := NewWithT(t)
	cluster := helpers.NewCluster(env.Namespace(t, nil), "blue")
	env.Create(t, cluster)
	machine := helpers.NewMachine(cluster, "machine")
	env.Create(t, machine)
	if kubelet == "" {
		kubelet = machine.Spec.Version
	}
	machine.Status.NodeInfo = &corev1.NodeSystemInfo{KubeletVersion: kubelet}
	g.Expect(env.Client.Status().Update(t.Context(), machine)).To(Succeed())
	own := helpers.NewOCIMeshMachine(machine)
	if marked {
		own.Annotations = map[string]string{clusterv1.UpdateInProgressAnnotation: ""}
	}
	env.Create(t, own)
	return machine, own
}
