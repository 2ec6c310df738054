// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package userdata

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
)

// whole is a node of which everything is said.
func whole() Node {
	preemptible := true
	infra := &infrav1.OCIMeshCluster{Spec: infrav1.OCIMeshClusterSpec{
		EndpointType: infrav1.EndpointTailnetVIP,
		PodNetwork:   infrav1.PodNetwork{Mode: infrav1.PodNetworkTailnetRoutes, MTU: 1300, NodeCIDRMaskSize: 25},
		Accounts: []infrav1.ClusterAccount{{
			Name: "alice", Network: infrav1.AccountNetwork{Managed: &infrav1.ManagedNetwork{VCNCIDR: "10.7.0.0/16"}},
		}},
	}}
	owner := &clusterv1.Cluster{Spec: clusterv1.ClusterSpec{
		ControlPlaneEndpoint: clusterv1.APIEndpoint{Host: "10.250.0.7", Port: 6443},
		ClusterNetwork: clusterv1.ClusterNetwork{
			Pods:     clusterv1.NetworkRanges{CIDRBlocks: []string{"10.10.0.0/16"}},
			Services: clusterv1.NetworkRanges{CIDRBlocks: []string{"10.11.0.0/16"}},
		},
	}}
	return Node{
		Secret:   &corev1.Secret{Data: map[string][]byte{"value": []byte("#cloud-config"), "format": []byte("cloud-config")}},
		Hostname: "mesh-worker", HostnameOfInstance: true, ControlPlane: true, KubernetesVersion: "v1.36.1",
		Bootstrap: infrav1.BootstrapPreinstalled, Tailscale: infrav1.Tailscale{Source: infrav1.TailscalePreinstalled},
		DataVolumes: []infrav1.DataVolume{{FileSystem: "ext4", MountPath: "/var/lib/etcd"}},
		Place: Place{
			Account: accountOf("alice"), AvailabilityDomain: domain, FaultDomain: "FAULT-DOMAIN-2", Shape: "VM.Standard.A1.Flex",
			Preemptible: &preemptible,
		},
		Cluster: owner, InfraCluster: infra,
		Tailnet: &infrav1.Tailnet{Spec: infrav1.TailnetSpec{
			LoginServer: "https://headscale.example.org", VIPRange: "10.250.0.0/16",
			APIURL: "https://api.example.org", TailnetName: "example.org",
			Credentials: infrav1.TailnetCredentials{Type: infrav1.APIKey, SecretRef: infrav1.SecretReference{Name: "tailnet"}},
			NodeTags:    []string{"tag:node"}, ControlPlaneTags: []string{"tag:cp"}, PodRanges: []string{"10.244.0.0/14"},
			RouteApproval: infrav1.RouteApprovalPolicy, AllowedNamespaces: infrav1.AllowedNamespaces{List: []string{"default"}},
		}},
		Agent: true, OtherMetadata: map[string]string{"ssh_authorized_keys": "ssh-ed25519 AAAA"},
	}
}

// A field of Node that is filled in and has no effect would be a setting without one.
func TestEveryFieldOfANodeReachesItsUserData(t *testing.T) {
	g := NewWithT(t)
	complete, err := Input(whole())
	g.Expect(err).NotTo(HaveOccurred())
	// Zeroed as a whole these end in an error or a panic; their fields are asked below.
	pointers := []string{"Secret", "Cluster", "InfraCluster", "Tailnet", "Place"}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Node]()) {
		if !slices.Contains(pointers, field.Name) {
			g.Expect(without(t, field.Name, func(n *Node) reflect.Value { return reflect.ValueOf(n).Elem() })).
				NotTo(Equal(complete), "Node.%s has no effect", field.Name)
		}
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Place]()) {
		g.Expect(without(t, field.Name, func(n *Node) reflect.Value { return reflect.ValueOf(&n.Place).Elem() })).
			NotTo(Equal(complete), "Place.%s has no effect", field.Name)
	}
}

// Every field of the pod network and of the tailnet reaches nodes, or is listed with the reason.
func TestEveryFieldOfPodNetworkAndTailnetReachesNodesOrIsListed(t *testing.T) {
	g := NewWithT(t)
	complete, err := Input(whole())
	g.Expect(err).NotTo(HaveOccurred())
	network := func(n *Node) reflect.Value { return reflect.ValueOf(&n.InfraCluster.Spec.PodNetwork).Elem() }
	for _, field := range reflect.VisibleFields(reflect.TypeFor[infrav1.PodNetwork]()) {
		g.Expect(without(t, field.Name, network)).NotTo(Equal(complete), "PodNetwork.%s has no effect on nodes", field.Name)
	}

	notOnNodes := map[string]string{
		"APIURL": "the provider's own calls", "Credentials": "the provider's own calls", "TailnetName": "the provider's own calls",
		"NodeTags": "in the key", "ControlPlaneTags": "in the key",
		"RouteApproval": "the provider approves, or the policy does", "PodRanges": "the provider's approval",
		"AllowedNamespaces": "who may use the tailnet",
	}
	tailnet := func(n *Node) reflect.Value { return reflect.ValueOf(&n.Tailnet.Spec).Elem() }
	for _, field := range reflect.VisibleFields(reflect.TypeFor[infrav1.TailnetSpec]()) {
		node := whole()
		g.Expect(tailnet(&node).FieldByIndex(field.Index).IsZero()).To(BeFalse(), "set Tailnet.spec.%s in whole", field.Name)
		g.Expect(reflect.DeepEqual(without(t, field.Name, tailnet), complete)).To(Equal(notOnNodes[field.Name] != ""),
			"Tailnet.spec.%s: have nodes get it, or list why not", field.Name)
	}
}

// without is what is rendered if a field is not said; nil if that is refused.
func without(t *testing.T, name string, of func(*Node) reflect.Value) any {
	t.Helper()
	node := whole()
	of(&node).FieldByName(name).SetZero()
	input, err := Input(node)
	if err != nil {
		return nil
	}
	return input
}

// notFilled are the fields of the user data's input that no node sets, with reasons.
var notFilled = map[string]string{
	"Tailnet.AuthKey":      "Render's, which is given the key",
	"Tailnet.JoinTimeout":  "the default bounds one attempt, and nodes try again",
	"Tailscale.Repository": "the field Mirror names archives", "Tailscale.RepositoryKeys": "the field Mirror names archives",
	"Without":  "Fit's, which decides them",
	"Packages": "no field of the API names mirrors: images are built with what is needed",
}

// Every value is another one, so that none can stand in for its neighbour.
func TestEveryFieldOfTheInputIsFilledInFromTheNode(t *testing.T) {
	g := NewWithT(t)
	filled := cloudinit.Input{
		Bootstrap: []byte("#cloud-config"), BootstrapFormat: "cloud-config", Hostname: "mesh-worker", HostnameOfInstance: true,
		ControlPlane: true, KubernetesVersion: "v1.36.1", BootstrapMode: cloudinit.BootstrapPreinstalled,
		ZonePrefix: "alice-", ProviderIDPrefix: "oci://",
		Tailnet: cloudinit.Tailnet{LoginServer: "https://headscale.example.org"},
		Tailscale: cloudinit.Tailscale{Source: cloudinit.TailscaleArchive, Version: "1.100.0", Archives: map[string]cloudinit.Archive{
			"arm64": {URL: "https://mirror.example/arm64.tgz", SHA256: "aa"},
		}},
		Endpoint: cloudinit.Endpoint{Host: "10.250.0.7", Port: 7443, VIP: true, VIPRange: netip.MustParsePrefix("10.250.0.0/16")},
		PodNetwork: cloudinit.PodNetwork{
			Mode: cloudinit.PodNetworkTailnetRoutes, MTU: 1300, NodeCIDRMaskSize: 25,
			PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.10.0.0/16")}, ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.11.0.0/16")},
		},
		VCNCIDRs:    []netip.Prefix{netip.MustParsePrefix("10.7.0.0/16")},
		DataVolumes: []cloudinit.DataVolume{{Device: "/dev/oracleoci/oraclevdb", FileSystem: "ext4", MountPath: "/var/lib/etcd"}},
		Agent:       true, OtherMetadata: map[string]string{"ssh_authorized_keys": "ssh-ed25519 AAAA"},
	}
	node := whole()
	node.Cluster.Spec.ControlPlaneEndpoint.Port = 7443
	node.Place.AvailabilityDomain = ""
	filled.Labels = node.Place.labels()
	node.Tailscale = infrav1.Tailscale{Source: infrav1.TailscaleMirror, Version: "1.100.0", Mirror: []infrav1.TailscaleArchive{
		{Architecture: "arm64", URL: "https://mirror.example/arm64.tgz", SHA256: "aa"},
	}}

	input, err := Input(node)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(input).To(Equal(filled))
	unset := zeroes(reflect.ValueOf(input), "")
	for _, path := range unset {
		g.Expect(notFilled).To(HaveKey(path), "cloudinit.Input.%s: fill it in from the node, or list it with the reason", path)
	}
	for path := range notFilled {
		g.Expect(unset).To(ContainElement(path), "it is filled in")
	}
}

// zeroes are the fields of cloudinit's that say nothing.
func zeroes(value reflect.Value, path string) []string {
	if value.IsZero() {
		return []string{path}
	}
	var found []string
	switch {
	case value.Kind() == reflect.Slice && value.Type().Elem().PkgPath() == inputsPackage:
		found = zeroes(value.Index(0), path)
	case value.Kind() == reflect.Map && value.Type().Elem().PkgPath() == inputsPackage:
		found = zeroes(value.MapIndex(value.MapKeys()[0]), path)
	case value.Kind() == reflect.Struct && value.Type().PkgPath() == inputsPackage:
		for i := range value.NumField() {
			found = append(found, zeroes(value.Field(i), strings.TrimPrefix(path+"."+value.Type().Field(i).Name, "."))...)
		}
	}
	return found
}

var inputsPackage = reflect.TypeFor[cloudinit.Input]().PkgPath()
