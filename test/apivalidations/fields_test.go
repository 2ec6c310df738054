// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package apivalidations

import (
	"reflect"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// machineValues are two different valid values of every field of a machine's spec.
func machineValues() map[string][2]any {
	return map[string][2]any{
		"ProviderID": {"oci://ocid1.instance.oc1..a", "oci://ocid1.instance.oc1..b"},
		"Accounts":   {infrav1.AccountSelection{Names: []string{"alice"}}, infrav1.AccountSelection{Selector: &metav1.LabelSelector{}}},
		"Shapes":     {[]infrav1.Shape{{Name: "VM.Standard2.1"}}, []infrav1.Shape{{Name: "VM.Standard2.2"}}},
		"Image":      {infrav1.Image{Name: "one"}, infrav1.Image{Name: "two"}},
		"BootVolume": {infrav1.BootVolume{SizeGB: 50}, infrav1.BootVolume{SizeGB: 60}},
		"DataVolumes": {
			[]infrav1.DataVolume{{Name: "etcd", SizeGB: 50, MountPath: "/a"}}, []infrav1.DataVolume{{Name: "etcd", SizeGB: 60, MountPath: "/a"}},
		},
		"Bootstrap":         {infrav1.BootstrapInstall, infrav1.BootstrapPreinstalled},
		"Tailscale":         {infrav1.Tailscale{Version: "1.98.4"}, infrav1.Tailscale{Version: "1.98.5"}},
		"SSHAuthorizedKeys": {[]string{"ssh-ed25519 AAAA a"}, []string{"ssh-ed25519 BBBB b"}},
		"Preemptible":       {ptr.To(true), ptr.To(false)},
		"Tags":              {map[string]string{"team": "red"}, map[string]string{"team": "blue"}},
	}
}

// Fields of specs that may change, and why.
var changeableOfMachines = map[string]string{
	"ProviderID": "it is set once, when there is an instance",
}

var changeableOfPools = map[string]string{
	"ProviderIDList": "it says which instances there are",
	"Shape":          "it is of instances to come", "Image": "it is of instances to come",
	"BootVolume": "it is of instances to come", "DataVolumes": "it is of instances to come",
	"Bootstrap": "it is of instances to come", "Tailscale": "it is of instances to come",
	"SSHAuthorizedKeys": "it is of instances to come", "Preemptible": "it is of instances to come",
	"Tags": "it is of instances to come", "FaultDomains": "it is of instances to come",
}

var changeableOfClusters = map[string]string{
	"ControlPlaneEndpoint": "it is set once, when there is an address",
	"Accounts":             "accounts come and go; what is immutable in one has tests of its own",
	"LoadBalancer":         "the shape's bandwidth and the subnets of clients; the rest has tests of its own",
	"PodNetwork":           "its mode is immutable, which has a test of its own; the rest is of nodes to come",
}

// setField sets the field of the object's spec.
func setField(object client.Object, field string, value any) {
	at := reflect.ValueOf(object).Elem().FieldByName("Spec").FieldByName(field)
	if value == nil {
		at.SetZero()
		return
	}
	at.Set(reflect.ValueOf(value))
}

// expectImmutable tries to change, to remove and to add every field of a spec.
func expectImmutable[T client.Object](t *testing.T, spec reflect.Type, good func() T, values map[string][2]any, changeable map[string]string) {
	t.Helper()
	for field := range spec.Fields() {
		if why := changeable[field.Name]; why != "" {
			continue
		}
		two, known := values[field.Name]
		if !known {
			t.Errorf("%s has no values here: add two, and an immutability rule; or say why it may change", field.Name)
			continue
		}
		for name, change := range map[string][2]any{
			"changed": two, "taken away": {two[0], nil}, "added": {nil, two[1]},
		} {
			t.Run(field.Name+" "+name, func(t *testing.T) {
				g := NewWithT(t)
				object := good()
				setField(object, field.Name, change[0])
				if err := apiServer.Create(t.Context(), object); err != nil {
					// The field is required: it can be neither added nor removed.
					g.Expect(change[0]).To(BeNil(), err)
					return
				}
				t.Cleanup(func() { _ = apiServer.Delete(t.Context(), object) })
				before := reflect.ValueOf(object).Elem().FieldByName("Spec").FieldByName(field.Name).Interface()
				setField(object, field.Name, change[1])
				err := apiServer.Update(t.Context(), object)
				if err == nil {
					// The default has put it back.
					after := reflect.ValueOf(object).Elem().FieldByName("Spec").FieldByName(field.Name).Interface()
					g.Expect(after).To(Equal(before), "the change was accepted")
				}
			})
		}
	}
	for name := range changeable {
		_, known := spec.FieldByName(name)
		NewWithT(t).Expect(known).To(BeTrue(), "%s is no field of the spec", name)
	}
}

func TestEveryFieldOfAMachinesSpecIsImmutableOrKnownNotToBe(t *testing.T) {
	expectImmutable(t, reflect.TypeFor[infrav1.OCIMeshMachineSpec](), goodMachine, machineValues(), changeableOfMachines)
}

func TestEveryFieldOfAPoolsSpecIsImmutableOrKnownNotToBe(t *testing.T) {
	expectImmutable(t, reflect.TypeFor[expv1.OCIMeshMachinePoolSpec](), goodMachinePool,
		map[string][2]any{"Account": {"alice", "bob"}}, changeableOfPools)
}

func TestEveryFieldOfAClustersSpecIsImmutableOrKnownNotToBe(t *testing.T) {
	expectImmutable(t, reflect.TypeFor[infrav1.OCIMeshClusterSpec](), goodCluster, map[string][2]any{
		"TailnetRef":   {infrav1.TailnetReference{Name: "home"}, infrav1.TailnetReference{Name: "work"}},
		"EndpointType": {infrav1.EndpointTailnetVIP, infrav1.EndpointExternal},
	}, changeableOfClusters)
}
