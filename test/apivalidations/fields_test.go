// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package apivalidations

import (
	"reflect"
	"slices"
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
	"OnStop":     "it says what is done later, and nothing of the instance",
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
	"PodNetwork":           "all of its fields are immutable, which has a test of its own",
}

var changeableOfTailnets = map[string]string{
	"APIURL":            "nodes do not know it",
	"Credentials":       "they are rotated; nodes have keys of their own",
	"NodeTags":          "they are of nodes to come; docs/kinds/tailnet.md says how to change them",
	"ControlPlaneTags":  "as nodeTags",
	"VIPRange":          "it can be set once, and is then immutable, which has a test of its own",
	"PodRanges":         "what was approved stays; they are for clusters to come",
	"RouteApproval":     "nodes do not know it",
	"AllowedNamespaces": "nodes do not know it",
}

// fieldOf is a field of the object, by its path.
func fieldOf(object client.Object, path ...string) reflect.Value {
	at := reflect.ValueOf(object).Elem()
	for _, name := range path {
		at = at.FieldByName(name)
	}
	return at
}

// setField sets the field of the object.
func setField(object client.Object, value any, path ...string) {
	at := fieldOf(object, path...)
	if value == nil {
		at.SetZero()
		return
	}
	at.Set(reflect.ValueOf(value))
}

// expectImmutable tries to change, to remove and to add every field of a spec, or of the struct at
// the path in it.
func expectImmutable[T client.Object](
	t *testing.T, spec reflect.Type, good func() T, values map[string][2]any, changeable map[string]string, within ...string,
) {
	t.Helper()
	within = append([]string{"Spec"}, within...)
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
				object, path := good(), append(slices.Clone(within), field.Name)
				setField(object, change[0], path...)
				if err := apiServer.Create(t.Context(), object); err != nil {
					// The field is required: it can be neither added nor removed.
					g.Expect(change[0]).To(BeNil(), err)
					return
				}
				t.Cleanup(func() { _ = apiServer.Delete(t.Context(), object) })
				before := fieldOf(object, path...).Interface()
				setField(object, change[1], path...)
				err := apiServer.Update(t.Context(), object)
				if err == nil {
					// The default has put it back.
					after := fieldOf(object, path...).Interface()
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

func TestEveryFieldOfAClustersPodNetworkIsImmutable(t *testing.T) {
	expectImmutable(t, reflect.TypeFor[infrav1.PodNetwork](), goodCluster, map[string][2]any{
		"Mode":             {infrav1.PodNetworkVXLAN, infrav1.PodNetworkTailnetRoutes},
		"MTU":              {int32(1280), int32(1400)},
		"NodeCIDRMaskSize": {int32(24), int32(25)},
	}, nil, "PodNetwork")
}

func TestEveryFieldOfATailnetsSpecIsImmutableOrKnownNotToBe(t *testing.T) {
	expectImmutable(t, reflect.TypeFor[infrav1.TailnetSpec](), goodTailnet, map[string][2]any{
		"LoginServer": {"https://one.example.com", "https://two.example.com"},
		"TailnetName": {"one.example.com", "two.example.com"},
	}, changeableOfTailnets)
}
