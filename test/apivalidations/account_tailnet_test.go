// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package apivalidations

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func goodAccount() *infrav1.OCIAccount {
	return &infrav1.OCIAccount{ObjectMeta: clusterScoped(), Spec: infrav1.OCIAccountSpec{
		Region:        "eu-frankfurt-1",
		CompartmentID: "ocid1.compartment.oc1..aaaa",
		Credentials: infrav1.OCICredentials{
			Type:      infrav1.UserPrincipal,
			SecretRef: infrav1.SecretReference{Name: "alice", Namespace: "capom-system"},
		},
		AllowedNamespaces: everywhere(),
	}}
}

func TestOCIAccountsAreRefusedWithTheReason(t *testing.T) {
	expectRefusals(t, goodAccount, []refusal[*infrav1.OCIAccount]{
		{"a region's name instead of its identifier", func(a *infrav1.OCIAccount) { a.Spec.Region = "Frankfurt" },
			"region must be a region identifier such as eu-frankfurt-1"},
		{"no region", func(a *infrav1.OCIAccount) { a.Spec.Region = "" }, "spec.region"},
		{"a compartment's name instead of its OCID", func(a *infrav1.OCIAccount) { a.Spec.CompartmentID = "prod" },
			"compartmentID must be the OCID of a compartment or of the tenancy"},
		{"a user principal without a Secret", func(a *infrav1.OCIAccount) { a.Spec.Credentials.SecretRef = infrav1.SecretReference{} },
			"secretRef must be set for UserPrincipal and only then"},
		{"an instance principal with a Secret", func(a *infrav1.OCIAccount) { a.Spec.Credentials.Type = infrav1.InstancePrincipal },
			"secretRef must be set for UserPrincipal and only then"},
		{"a Secret without a namespace", func(a *infrav1.OCIAccount) { a.Spec.Credentials.SecretRef.Namespace = "" }, "secretRef.namespace"},
		{"unknown credentials", func(a *infrav1.OCIAccount) { a.Spec.Credentials.Type = "Password" }, "Unsupported value"},
		{"an endpoint without a scheme", func(a *infrav1.OCIAccount) { a.Spec.Endpoint = "iaas.example.com" }, "endpoint must be an http or https URL"},
		{"nobody said who may use it", func(a *infrav1.OCIAccount) { a.Spec.AllowedNamespaces = infrav1.AllowedNamespaces{} }, "allowedNamespaces"},
		{"Always Free and figures", func(a *infrav1.OCIAccount) {
			a.Spec.Budget = infrav1.AccountBudget{AlwaysFree: ptr.To(true), VolumeGB: ptr.To[int32](100)}
		}, "exactly one of alwaysFree and figures"},
		{"a budget of nothing", func(a *infrav1.OCIAccount) { a.Spec.Budget.AlwaysFree = ptr.To(false) }, "exactly one of alwaysFree and figures"},
		{"a shape instead of a family", func(a *infrav1.OCIAccount) {
			a.Spec.Budget.Families = []infrav1.FamilyBudget{{Family: "VM.Standard.A1.Flex", OCPUs: ptr.To[int32](1)}}
		}, "family must be a shape's name without VM. or BM."},
		{"a family without a figure", func(a *infrav1.OCIAccount) {
			a.Spec.Budget.Families = []infrav1.FamilyBudget{{Family: "Standard.A1"}}
		}, "at least one of instances, ocpus and memoryGB must be set"},
		{"both a list and a selector of namespaces", func(a *infrav1.OCIAccount) { a.Spec.AllowedNamespaces.List = []string{"a"} },
			"exactly one of list and selector must be set"},
	})
}

func TestOCIAccountsKeepTheirPlace(t *testing.T) {
	expectRefusedUpdates(t, goodAccount, []refusal[*infrav1.OCIAccount]{
		{"another region", func(a *infrav1.OCIAccount) { a.Spec.Region = "eu-zurich-1" }, "region is immutable"},
		{"another compartment", func(a *infrav1.OCIAccount) { a.Spec.CompartmentID = "ocid1.compartment.oc1..bbbb" }, "compartmentID is immutable"},
		{"another budget", func(a *infrav1.OCIAccount) {
			a.Spec.Budget.Families = []infrav1.FamilyBudget{{Family: "Standard.E2.Micro", Instances: ptr.To[int32](0)}}
		}, ""},
		{"another Secret", func(a *infrav1.OCIAccount) { a.Spec.Credentials.SecretRef.Name = "alice-2" }, ""},
		{"other namespaces", func(a *infrav1.OCIAccount) {
			a.Spec.AllowedNamespaces = infrav1.AllowedNamespaces{List: []string{"a"}}
		}, ""},
	})
}

func goodTailnet() *infrav1.Tailnet {
	return &infrav1.Tailnet{ObjectMeta: clusterScoped(), Spec: infrav1.TailnetSpec{
		Credentials: infrav1.TailnetCredentials{
			Type: infrav1.OAuthClient, SecretRef: infrav1.SecretReference{Name: "tailnet", Namespace: "capom-system"},
		},
		NodeTags:          []string{"tag:node"},
		ControlPlaneTags:  []string{"tag:control-plane"},
		VIPRange:          "10.250.0.0/16",
		AllowedNamespaces: everywhere(),
	}}
}

func TestTailnetsAreRefusedWithTheReason(t *testing.T) {
	expectRefusals(t, goodTailnet, []refusal[*infrav1.Tailnet]{
		{"no Secret", func(tn *infrav1.Tailnet) { tn.Spec.Credentials.SecretRef = infrav1.SecretReference{} }, "secretRef"},
		{"a tag without its prefix", func(tn *infrav1.Tailnet) { tn.Spec.NodeTags = []string{"nodes"} }, "tags have the form tag:name"},
		{"a tag of workers and control planes", func(tn *infrav1.Tailnet) { tn.Spec.NodeTags = []string{"tag:node", "tag:control-plane"} }, "must have no tag in common"},
		{"no tags for control planes", func(tn *infrav1.Tailnet) { tn.Spec.ControlPlaneTags = nil }, "controlPlaneTags"},
		{"a VIP range that is an address", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "10.250.0.1" }, "vipRange must be an IPv4 network"},
		{"a VIP range with host bits", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "10.250.0.1/16" }, "vipRange must be an IPv4 network"},
		{"an IPv6 VIP range", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "fd00:1234::/112" }, "vipRange must be an IPv4 network"},
		{"a VIP range of one address", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "10.250.0.0/32" }, "between /8 and /30"},
		{"a VIP range within the tailnet's own", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "100.100.0.0/16" }, "must not overlap the tailnet's own range"},
		{"a VIP range around the tailnet's own", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "100.0.0.0/8" }, "must not overlap the tailnet's own range"},
		{"a VIP range of this network", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "0.0.0.0/8" }, "addresses that no machine can hold"},
		{"a loopback VIP range", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "127.1.0.0/16" }, "addresses that no machine can hold"},
		{"a link-local VIP range", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "169.254.7.0/24" }, "addresses that no machine can hold"},
		{"a VIP range around link-local", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "169.0.0.0/8" }, "addresses that no machine can hold"},
		{"a multicast VIP range", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "239.1.0.0/16" }, "addresses that no machine can hold"},
		{"a VIP range with the broadcast address", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "255.255.255.0/24" }, "addresses that no machine can hold"},
		{"a pod range with host bits", podRanges("10.244.0.1/16"), "podRanges must hold IPv4 networks"},
		{"a pod range of IPv6", podRanges("fd00:1::/56"), "podRanges must hold IPv4 networks"},
		{"a pod range that is no network", podRanges("everything"), "podRanges must hold IPv4 networks"},
		{"a pod range of half the Internet", podRanges("128.0.0.0/1"), "podRanges must hold IPv4 networks"},
		{"a pod range within the tailnet's own", podRanges("10.244.0.0/16", "100.64.0.0/16"), "podRanges must overlap neither"},
		{"a pod range around the tailnet's own", podRanges("100.0.0.0/8"), "podRanges must overlap neither"},
		{"a link-local pod range", podRanges("169.254.0.0/16"), "podRanges must overlap neither"},
		{"a pod range with virtual addresses", podRanges("10.0.0.0/8"), "podRanges must not overlap vipRange"},
		{"a pod range within the virtual addresses", podRanges("10.250.3.0/24"), "podRanges must not overlap vipRange"},
		{"an empty list of pod ranges", func(tn *infrav1.Tailnet) { tn.Spec.PodRanges = []string{""} }, "podRanges"},
		{"a login server without a scheme", func(tn *infrav1.Tailnet) { tn.Spec.LoginServer = "headscale.example.com" }, "loginServer must be an http or https URL"},
		{"an API address without a scheme", func(tn *infrav1.Tailnet) { tn.Spec.APIURL = "headscale.example.com" }, "apiURL must be an http or https URL"},
	})
}

func podRanges(ranges ...string) func(*infrav1.Tailnet) {
	return func(tn *infrav1.Tailnet) { tn.Spec.PodRanges = ranges }
}

func TestTailnetsKeepWhatNodesHold(t *testing.T) {
	expectRefusedUpdates(t, goodTailnet, []refusal[*infrav1.Tailnet]{
		{"another range", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "10.251.0.0/16" }, "vipRange is immutable"},
		{"no range any more", func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "" }, "vipRange is immutable"},
		{"a tag that workers have", func(tn *infrav1.Tailnet) { tn.Spec.ControlPlaneTags = append(tn.Spec.ControlPlaneTags, "tag:node") }, "must have no tag in common"},
		{"a login server", func(tn *infrav1.Tailnet) { tn.Spec.LoginServer = "https://headscale.example.com" }, "loginServer is immutable"},
		{"another tailnet", func(tn *infrav1.Tailnet) { tn.Spec.TailnetName = "example.com" }, "tailnetName is immutable"},
		{"ranges for pods", podRanges("10.244.0.0/16", "172.16.0.0/12"), ""},
		{"the default written out", func(tn *infrav1.Tailnet) { tn.Spec.TailnetName = "" }, ""},
		{"more tags", func(tn *infrav1.Tailnet) { tn.Spec.NodeTags = append(tn.Spec.NodeTags, "tag:more") }, ""},
	})
}

func TestATailnetsDefaults(t *testing.T) {
	g := NewWithT(t)
	tn := created(t, goodTailnet())
	g.Expect(tn.Spec.TailnetName).To(Equal("-"))
	g.Expect(tn.Spec.RouteApproval).To(Equal(infrav1.RouteApprovalProvider))
	g.Expect(tn.Spec.AllowedNamespaces.Selector).To(Equal(&metav1.LabelSelector{}))
}
