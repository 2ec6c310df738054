// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace

import (
	"cmp"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	runtimehooksv1 "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// machineWith is a Machine of a MachineSet with its OCIMeshMachine after its first pass, with the
// agent or without.
func machineWith(t *testing.T, cluster *clusterv1.Cluster, name string, agent bool) *clusterv1.Machine {
	t.Helper()
	machine := helpers.NewMachine(cluster, name)
	machine.Labels[clusterv1.MachineSetNameLabel] = "workers"
	env.Create(t, machine)
	own := helpers.NewOCIMeshMachine(machine)
	own.Finalizers = []string{infrav1.OCIMeshMachineFinalizer}
	if agent {
		own.Annotations = map[string]string{infrav1.NodeAgentAnnotation: ""}
	}
	env.Create(t, own)
	return machine
}

func newCluster(t *testing.T) *clusterv1.Cluster {
	t.Helper()
	cluster := helpers.NewCluster(env.Namespace(t, nil), "blue")
	env.Create(t, cluster)
	return cluster
}

func TestCanUpdateMachineTakesVersionsThatTheNodesAgentCanChange(t *testing.T) {
	type spec = infrav1.OCIMeshMachineSpec
	same := func(*spec) {}
	later := func(s *spec) { s.Tailscale = infrav1.Tailscale{Source: infrav1.TailscalePackages, Version: "1.104.0"} }
	packages := func(s *spec) {
		s.Tailscale.Source = infrav1.TailscalePackages
		s.DataVolumes = []infrav1.DataVolume{{Name: "data", SizeGB: 50, MountPath: "/data"}}
	}
	larger := func(s *spec) { s.DataVolumes = []infrav1.DataVolume{{Name: "data", SizeGB: 60, MountPath: "/data"}} }
	const tailscale = `[{"op":"add","path":"/spec/tailscale","value":{"source":"Packages","version":"1.104.0"}}]`
	for name, world := range map[string]struct {
		withoutAgent                    bool
		kind, version, patches, initial string
		change                          func(*spec)
		machine, infrastructure         string
	}{
		"a patch":         {version: "v1.36.4", change: same, machine: `[{"op":"add","path":"/spec/version","value":"v1.36.4"}]`},
		"a minor version": {version: "v1.37.0", change: same, machine: `[{"op":"add","path":"/spec/version","value":"v1.37.0"}]`},
		"with the usual patches": {version: "v1.36.4", change: same, patches: "/etc/kubernetes/patches",
			machine: `[{"op":"add","path":"/spec/version","value":"v1.36.4"}]`},
		"with other patches":                  {version: "v1.36.4", change: same, patches: "/opt/patches"},
		"with other patches for kubeadm init": {version: "v1.36.4", change: same, initial: "/opt/patches"},
		"two minor versions":                  {version: "v1.38.0", change: same},
		"an older one":                        {version: "v1.36.2", change: same},
		"a pre-release":                       {version: "v1.37.0-rc.1", change: same},
		"without an agent":                    {version: "v1.36.4", change: later, withoutAgent: true},
		"tailscale":                           {version: "v1.36.3", change: later, infrastructure: tailscale},
		"tailscale and Kubernetes": {version: "v1.36.4", change: later, infrastructure: tailscale,
			machine: `[{"op":"add","path":"/spec/version","value":"v1.36.4"}]`},
		"a larger data volume": {version: "v1.36.3", change: larger,
			infrastructure: `[{"op":"add","path":"/spec/dataVolumes","value":[{"mountPath":"/data","name":"data","sizeGB":60}]}]`},
		"a larger data volume without an agent": {version: "v1.36.3", change: larger, withoutAgent: true},
		"another provider's machine":            {kind: "AWSMachine", version: "v1.36.4", change: same},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			machine := machineWith(t, newCluster(t), "machine", !world.withoutAgent)
			kind := cmp.Or(world.kind, "OCIMeshMachine")
			config := &bootstrapv1.KubeadmConfig{}
			config.Spec.JoinConfiguration.Patches.Directory = world.patches
			request, response := &runtimehooksv1.CanUpdateMachineRequest{}, &runtimehooksv1.CanUpdateMachineResponse{}
			request.Current.Machine, request.Desired.Machine = *machine, *machine.DeepCopy()
			request.Desired.Machine.Spec.Version = world.version
			request.Current.InfrastructureMachine = raw(t, machineOf(kind, packages))
			request.Desired.InfrastructureMachine = raw(t, machineOf(kind, func(s *spec) {
				packages(s)
				world.change(s)
			}))
			request.Desired.BootstrapConfig = raw(t, config)
			config.Spec.InitConfiguration.Patches.Directory = world.initial
			request.Current.BootstrapConfig = raw(t, config)

			(&Handlers{Client: env.Client}).CanUpdateMachine(t.Context(), request, response)

			g.Expect(response.Status).To(Equal(runtimehooksv1.ResponseStatusSuccess), response.Message)
			g.Expect(string(response.MachinePatch.Patch)).To(Equal(world.machine))
			g.Expect(string(response.InfrastructureMachinePatch.Patch)).To(Equal(world.infrastructure))
		})
	}
}

func TestCanUpdateMachineSetTakesAVersionIfAllNodesHaveTheAgent(t *testing.T) {
	for name, world := range map[string]struct {
		agents []bool
		going  bool
		// gone is a Machine whose OCIMeshMachine somebody has deleted.
		gone bool
		want string
	}{
		"all":                    {agents: []bool{true, true}, want: `[{"op":"add","path":"/spec/template/spec/version","value":"v1.36.4"}]`},
		"but one":                {agents: []bool{true, false}},
		"but one that goes away": {agents: []bool{true, false}, going: true, want: `[{"op":"add","path":"/spec/template/spec/version","value":"v1.36.4"}]`},
		"but one that is gone":   {agents: []bool{true}, gone: true, want: `[{"op":"add","path":"/spec/template/spec/version","value":"v1.36.4"}]`},
		"none":                   {want: `[{"op":"add","path":"/spec/template/spec/version","value":"v1.36.4"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			cluster := newCluster(t)
			for i, agent := range world.agents {
				machine := machineWith(t, cluster, string(rune('a'+i)), agent)
				if world.going && !agent {
					machine.Finalizers = []string{clusterv1.MachineFinalizer}
					g.Expect(env.Client.Update(t.Context(), machine)).To(Succeed())
					g.Expect(env.Client.Delete(t.Context(), machine)).To(Succeed())
				}
			}
			if world.gone {
				machine := helpers.NewMachine(cluster, "gone")
				machine.Labels[clusterv1.MachineSetNameLabel] = "workers"
				env.Create(t, machine)
				machine.Status.Initialization.InfrastructureProvisioned = new(true)
				g.Expect(env.Client.Status().Update(t.Context(), machine)).To(Succeed())
			}
			template := raw(t, &infrav1.OCIMeshMachineTemplate{
				TypeMeta: metav1.TypeMeta{APIVersion: infrav1.GroupVersion.String(), Kind: "OCIMeshMachineTemplate"},
				Spec: infrav1.OCIMeshMachineTemplateSpec{Template: infrav1.OCIMeshMachineTemplateResource{
					Spec: machineOf("", func(*infrav1.OCIMeshMachineSpec) {}).Spec,
				}},
			})
			request, response := &runtimehooksv1.CanUpdateMachineSetRequest{}, &runtimehooksv1.CanUpdateMachineSetResponse{}
			set := clusterv1.MachineSet{ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace, Name: "workers"}}
			set.Spec.Template.Spec.Version = "v1.36.3"
			request.Current.MachineSet, request.Desired.MachineSet = set, *set.DeepCopy()
			request.Desired.MachineSet.Spec.Template.Spec.Version = "v1.36.4"
			request.Current.InfrastructureMachineTemplate, request.Desired.InfrastructureMachineTemplate = template, template

			(&Handlers{Client: env.Client}).CanUpdateMachineSet(t.Context(), request, response)

			g.Expect(response.Status).To(Equal(runtimehooksv1.ResponseStatusSuccess), response.Message)
			g.Expect(string(response.MachineSetPatch.Patch)).To(Equal(world.want))
			g.Expect(response.InfrastructureMachineTemplatePatch.IsDefined()).To(BeFalse())
		})
	}
}

// A machine must not be replaced because nobody could tell.
func TestAMachineOfWhichNothingIsKnownFailsTheQuestion(t *testing.T) {
	for name, world := range map[string]struct {
		is   func(*testing.T, *clusterv1.Machine)
		want string
	}{
		"missing": {func(*testing.T, *clusterv1.Machine) {}, "reading OCIMeshMachine missing"},
		"new": {func(t *testing.T, machine *clusterv1.Machine) {
			env.Create(t, machine)
			env.Create(t, helpers.NewOCIMeshMachine(machine))
		}, "has not decided yet whether its node gets the agent"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			request, response := &runtimehooksv1.CanUpdateMachineRequest{}, &runtimehooksv1.CanUpdateMachineResponse{}
			machine := helpers.NewMachine(newCluster(t), name)
			world.is(t, machine)
			request.Current.Machine, request.Desired.Machine = *machine, *machine.DeepCopy()
			request.Desired.Machine.Spec.Version = "v1.36.4"
			object := raw(t, machineOf("OCIMeshMachine", func(*infrav1.OCIMeshMachineSpec) {}))
			request.Current.InfrastructureMachine, request.Desired.InfrastructureMachine = object, object
			(&Handlers{Client: env.Client}).CanUpdateMachine(t.Context(), request, response)
			g.Expect(response.Status).To(Equal(runtimehooksv1.ResponseStatusFailure))
			g.Expect(response.Message).To(ContainSubstring(world.want))
		})
	}
}
