// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"go.yaml.in/yaml/v3"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// longLabel is as long as names get in a hostname, and longAccount as in a label of a Node.
const (
	longLabel   = "production-europe-central-control-plane-x7k2m-9d41f0ce"
	longAccount = "payments-production-frankfurt"
	// longKey is as long as Headscale's; Tailscale's are shorter.
	longKey = "hskey-auth-p3Xw0ZqLr9Tb-aK81vYhNcE4uJ7mQ2sDfG6xB5tRzW0iPoLkMjHnVgCbXeAyUd3S9qTrFw1ZpO8"
	// sshKey is an ed25519 key.
	sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3q0Zr7mWc2v8YtXoKdPqLhB5nRsUeFgA1iTyNwQxCk operator@workstation.example.org"
)

// kubeadmSpec is what of a KubeadmControlPlane comes into bootstrap data.
type kubeadmSpec struct {
	ClusterConfiguration map[string]any   `json:"clusterConfiguration"`
	InitConfiguration    map[string]any   `json:"initConfiguration"`
	Files                []map[string]any `json:"files"`
}

// flavor is what of a template decides the size of its control planes' user data.
type flavor struct {
	kubeadm    kubeadmSpec
	endpoint   infrav1.EndpointType
	podNetwork infrav1.PodNetwork
}

var variable = regexp.MustCompile(`\$\{(\w+)(?::=([^}]*))?\}`)

// flavors are the templates that have control planes, by file, with long names filled in.
func flavors(t *testing.T) map[string]flavor {
	t.Helper()
	g := NewWithT(t)
	names, err := filepath.Glob("../../templates/cluster*.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	all := map[string]flavor{}
	for _, name := range names {
		content, err := os.ReadFile(name)
		g.Expect(err).NotTo(HaveOccurred())
		filled := variable.ReplaceAllStringFunc(string(content), func(found string) string {
			if parts := variable.FindStringSubmatch(found); parts[2] != "" {
				return parts[2]
			}
			return longAccount
		})
		var f flavor
		for document := range strings.SplitSeq(filled, "\n---\n") {
			g.Expect(f.read(document)).To(Succeed(), name)
		}
		if f.kubeadm.ClusterConfiguration != nil {
			all[filepath.Base(name)] = f
		}
	}
	g.Expect(len(all)).To(BeNumerically(">=", 8), "the templates are not found")
	return all
}

// read takes from a document what it has, of a template of a ClusterClass, too.
func (f *flavor) read(document string) error {
	type spec struct {
		Kubeadm    kubeadmSpec          `json:"kubeadmConfigSpec"`
		Endpoint   infrav1.EndpointType `json:"endpointType"`
		PodNetwork infrav1.PodNetwork   `json:"podNetwork"`
		Template   struct {
			Spec struct {
				Kubeadm    kubeadmSpec          `json:"kubeadmConfigSpec"`
				Endpoint   infrav1.EndpointType `json:"endpointType"`
				PodNetwork infrav1.PodNetwork   `json:"podNetwork"`
			} `json:"spec"`
		} `json:"template"`
	}
	var object struct {
		Kind string `json:"kind"`
		Spec spec   `json:"spec"`
	}
	var kind struct {
		Kind string `json:"kind"`
	}
	if err := utilyaml.Unmarshal([]byte(document), &kind); err != nil {
		return err
	}
	switch kind.Kind {
	case "KubeadmControlPlane", "KubeadmControlPlaneTemplate", "OCIMeshCluster", "OCIMeshClusterTemplate":
	default:
		return nil
	}
	if err := utilyaml.Unmarshal([]byte(document), &object); err != nil {
		return err
	}
	for _, kubeadm := range []kubeadmSpec{object.Spec.Kubeadm, object.Spec.Template.Spec.Kubeadm} {
		if kubeadm.ClusterConfiguration != nil {
			f.kubeadm = kubeadm
		}
	}
	if object.Spec.Endpoint+object.Spec.Template.Spec.Endpoint != "" {
		f.endpoint = object.Spec.Endpoint + object.Spec.Template.Spec.Endpoint
		f.podNetwork = object.Spec.PodNetwork
		if object.Spec.PodNetwork.Mode == "" {
			f.podNetwork = object.Spec.Template.Spec.PodNetwork
		}
	}
	return nil
}

// written is a file as Cluster API's bootstrap provider writes it (cloudinit/utils.go, files.go).
func written(path, content string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "-   path: %s\n    owner: root:root\n    permissions: '0640'\n    content: |\n", path)
	for line := range strings.Lines(content) {
		out.WriteString("      " + line)
	}
	return out.String()
}

// bootstrap is the first control plane's data as Cluster API writes it: of all, it has most.
func (f flavor) bootstrap(t *testing.T, keys string, etcd map[string]any) []byte {
	t.Helper()
	g := NewWithT(t)
	out := bytes.NewBufferString("## template: jinja\n#cloud-config\n\nwrite_files:\n" + keys)
	for _, file := range f.kubeadm.Files {
		out.WriteString(written(file["path"].(string), file["content"].(string)))
	}
	cluster := maps.Clone(f.kubeadm.ClusterConfiguration)
	maps.Copy(cluster, map[string]any{
		"apiServer": map[string]any{}, "apiVersion": "kubeadm.k8s.io/v1beta4", "clusterName": longAccount, "controlPlaneEndpoint": "10.250.0.1:6443",
		"controllerManager": map[string]any{}, "dns": map[string]any{}, "kind": "ClusterConfiguration", "kubernetesVersion": "v1.37.2",
		"networking": map[string]any{"dnsDomain": "cluster.local", "podSubnet": "10.244.0.0/16", "serviceSubnet": "10.96.0.0/12"},
		"proxy":      map[string]any{}, "scheduler": map[string]any{}, "featureGates": map[string]any{"ControlPlaneKubeletLocalMode": true},
	})
	if etcd != nil {
		cluster["etcd"] = etcd
	}
	initial := maps.Clone(f.kubeadm.InitConfiguration)
	maps.Copy(initial, map[string]any{"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "InitConfiguration", "localAPIEndpoint": map[string]any{}})
	var documents strings.Builder
	encoder := yaml.NewEncoder(&documents)
	encoder.SetIndent(2)
	g.Expect(encoder.Encode(cluster)).To(Succeed())
	g.Expect(encoder.Encode(initial)).To(Succeed())
	g.Expect(encoder.Close()).To(Succeed())
	out.WriteString(written("/run/kubeadm/kubeadm.yaml", "---\n"+documents.String()))
	out.WriteString(`-   path: /run/cluster-api/placeholder
    owner: root:root
    permissions: '0640'
    content: "This placeholder file is used to create the /run/cluster-api sub directory in a way that is compatible with both Linux and Windows (mkdir -p /run/cluster-api does not work with Windows)"
runcmd:
  - 'kubeadm init --config /run/kubeadm/kubeadm.yaml  && echo success > /run/cluster-api/bootstrap-success.complete'
`)
	return out.Bytes()
}

// largest is the input of a control plane of the flavor with all that a user of it may say.
func (f flavor) largest(bootstrap []byte) Input {
	return Input{
		Bootstrap: bootstrap, Hostname: longLabel, ControlPlane: true, KubernetesVersion: "v1.37.2", BootstrapMode: BootstrapInstall, Agent: true,
		Labels: map[string]string{
			infrav1.NodeAccountLabel: longAccount, infrav1.NodeFaultDomainLabel: "FAULT-DOMAIN-1", "topology.kubernetes.io/region": "eu-frankfurt-1",
			"topology.kubernetes.io/zone": longAccount + "-ad-1", "node.kubernetes.io/instance-type": "VM.Standard.A1.Flex",
		},
		Tailnet:   Tailnet{LoginServer: "https://headscale.example.org:8443", AuthKey: longKey},
		Tailscale: Tailscale{Version: "1.102.3"},
		Endpoint:  Endpoint{Host: "10.250.0.1", VIP: f.endpoint.HasVIP(), VIPRange: netip.MustParsePrefix("10.250.0.0/16")},
		PodNetwork: PodNetwork{
			Mode: PodNetworkMode(f.podNetwork.Mode), MTU: 1280, NodeCIDRMaskSize: 24,
			PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}, ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")},
		},
		VCNCIDRs:      []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
		DataVolumes:   []DataVolume{{Device: "/dev/oracleoci/oraclevdb", FileSystem: "ext4", MountPath: "/var/lib/etcd"}},
		OtherMetadata: map[string]string{"ssh_authorized_keys": sshKey},
	}
}
