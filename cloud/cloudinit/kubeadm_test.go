// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

const advertised = "advertiseAddress: 100.64.0.7"

// advertising are kubeadm's configurations before and after the node's address is set in them.
var advertising = map[string]struct{ before, after string }{
	"init, empty endpoint": {
		"kind: InitConfiguration\nlocalAPIEndpoint: {}\nnodeRegistration: {}\n",
		"kind: InitConfiguration\nlocalAPIEndpoint:\n  " + advertised + "\nnodeRegistration: {}\n",
	},
	"init, no endpoint": {
		"kind: InitConfiguration\nnodeRegistration: {}\n",
		"kind: InitConfiguration\nnodeRegistration: {}\nlocalAPIEndpoint:\n  " + advertised + "\n",
	},
	"init, port only": {
		"localAPIEndpoint:\n  bindPort: 6443\nkind: InitConfiguration\n",
		"localAPIEndpoint:\n  " + advertised + "\n  bindPort: 6443\nkind: InitConfiguration\n",
	},
	"init, placeholder": {
		"kind: InitConfiguration\nlocalAPIEndpoint:\n  advertiseAddress: 100.64.0.0\n  bindPort: 6443\n",
		"kind: InitConfiguration\nlocalAPIEndpoint:\n  " + advertised + "\n  bindPort: 6443\n",
	},
	"init, unspecified": {
		"kind: InitConfiguration\nlocalAPIEndpoint:\n  advertiseAddress: \"0.0.0.0\"\n",
		"kind: InitConfiguration\nlocalAPIEndpoint:\n  " + advertised + "\n",
	},
	"init, chosen by the user": {
		"kind: InitConfiguration\nlocalAPIEndpoint:\n  advertiseAddress: 192.0.2.1\n",
		"kind: InitConfiguration\nlocalAPIEndpoint:\n  advertiseAddress: 192.0.2.1\n",
	},
	"only the right document": {
		"---\napiServer:\n  localAPIEndpoint: {}\nkind: ClusterConfiguration\n---\nkind: InitConfiguration\nlocalAPIEndpoint: {}\n---\nkind: KubeletConfiguration\n",
		"---\napiServer:\n  localAPIEndpoint: {}\nkind: ClusterConfiguration\n---\nkind: InitConfiguration\nlocalAPIEndpoint:\n  " + advertised + "\n---\nkind: KubeletConfiguration\n",
	},
	"join of a control plane": {
		"controlPlane:\n  localAPIEndpoint: {}\ndiscovery:\n  file: {}\nkind: JoinConfiguration\n",
		"controlPlane:\n  localAPIEndpoint:\n    " + advertised + "\ndiscovery:\n  file: {}\nkind: JoinConfiguration\n",
	},
	"join of a control plane, nothing set": {
		"kind: JoinConfiguration\ncontrolPlane: {}\n",
		"kind: JoinConfiguration\ncontrolPlane:\n  localAPIEndpoint:\n    " + advertised + "\n",
	},
	"join of a control plane, another key": {
		"kind: JoinConfiguration\ncontrolPlane:\n  certificateKey: abc\n",
		"kind: JoinConfiguration\ncontrolPlane:\n  localAPIEndpoint:\n    " + advertised + "\n  certificateKey: abc\n",
	},
	"join of a control plane, port only": {
		"controlPlane:\n  localAPIEndpoint:\n    bindPort: 6443\nkind: JoinConfiguration\n",
		"controlPlane:\n  localAPIEndpoint:\n    " + advertised + "\n    bindPort: 6443\nkind: JoinConfiguration\n",
	},
	"join of a worker": {
		"---\ndiscovery:\n  bootstrapToken: {}\nkind: JoinConfiguration\n",
		"---\ndiscovery:\n  bootstrapToken: {}\nkind: JoinConfiguration\n",
	},
}

func TestTheAdvertiseAddressIsSetWhereItIsUnset(t *testing.T) {
	for name, tc := range advertising {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, controlPlaneInput())
			n.write("joined", "", 0o644)
			n.write("run/kubeadm/kubeadm.yaml", tc.before, 0o640)

			out, err := n.run("capom-kubeadm")
			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.read("run/kubeadm/kubeadm.yaml")).To(Equal(tc.after))
			g.Expect(n.mode("run/kubeadm/kubeadm.yaml")).To(Equal(os.FileMode(0o640)))

			out, err = n.run("capom-kubeadm")
			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.read("run/kubeadm/kubeadm.yaml")).To(Equal(tc.after), "a second run changes nothing")
		})
	}
}

func TestKubeadmDoesNotRunWithoutAConfigurationToEdit(t *testing.T) {
	cases := map[string]struct{ config, reason string }{
		"flow style":     {"kind: InitConfiguration\nlocalAPIEndpoint: {bindPort: 6443}\n", "block style"},
		"nothing at all": {"", "wrote no kubeadm configuration"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, controlPlaneInput())
			n.write("joined", "", 0o644)
			if tc.config != "" {
				n.write("run/kubeadm/kubeadm.yaml", tc.config, 0o640)
			}

			out, err := n.run("capom-kubeadm")

			g.Expect(err).To(HaveOccurred())
			g.Expect(out).To(ContainSubstring(tc.reason))
		})
	}
}

func TestOnlyTheMachineThatInitialisesTheClusterHoldsTheAddressFirst(t *testing.T) {
	cases := map[string]struct {
		file, config string
		first        bool
	}{
		"init": {"kubeadm.yaml", "kind: InitConfiguration\n", true},
		"join": {"kubeadm-join-config.yaml", "kind: JoinConfiguration\ncontrolPlane: {}\n", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, controlPlaneInput())
			n.write("joined", "", 0o644)
			n.write("run/kubeadm/"+tc.file, tc.config, 0o640)

			out, err := n.run("capom-kubeadm")

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.exists("run/capom/vip-first")).To(Equal(tc.first))
		})
	}
}

func TestKubeletGetsTheNodesAddressAndProviderIDLast(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.write("joined", "", 0o644)

	out, err := n.startKubelet("KUBELET_EXTRA_ARGS=--node-ip=10.0.0.1 --v=2 --provider-id=old")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.read("run/capom/kubelet.env")).To(Equal(
		"KUBELET_EXTRA_ARGS=--v=2 --node-ip=100.64.0.7 --provider-id=oci://ocid1.instance.oc1..node\n"))
}

// startKubelet runs what systemd runs before kubelet, with the environment of kubelet's other files
// and, over it, of the one that the last start has left (systemd.exec(5), EnvironmentFile).
func (n *testNode) startKubelet(env ...string) (string, error) {
	cmd := n.command(filepath.Join(scriptsDir, "capom-kubelet"))
	cmd.Env = append(append(cmd.Env, env...), strings.TrimSpace(n.read("run/capom/kubelet.env")))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// stopKubelet runs what systemd runs once kubelet is gone.
func (n *testNode) stopKubelet() {
	n.t.Helper()
	for _, line := range directives(n.t, "kubelet.service.d/20-capom.conf") {
		if program, is := strings.CutPrefix(line, "ExecStopPost=-"); is {
			words := strings.Fields(strings.ReplaceAll(program, " /run/", " "+n.root+"/run/"))
			if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
				n.t.Fatalf("%v: %s", err, out)
			}
		}
	}
}

func TestKubeletGetsTheArgumentsThatItsUserHasChangedSinceTheLastStart(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.write("joined", "", 0o644)
	for _, args := range []string{"--v=2 --max-pods=50 ", "--v=4 ", ""} {
		out, err := n.startKubelet("KUBELET_EXTRA_ARGS=" + args)
		g.Expect(err).NotTo(HaveOccurred(), out)
		g.Expect(n.read("run/capom/kubelet.env")).To(Equal("KUBELET_EXTRA_ARGS=" + args + "--node-ip=100.64.0.7 --provider-id=oci://ocid1.instance.oc1..node\n"))
		n.stopKubelet()
	}
	n.stopKubelet()
}

const instanceLabels = "topology.kubernetes.io/region=eu-frankfurt-1 topology.kubernetes.io/zone=alice-ad-1"

const ociFaultDomain = ",infrastructure.cluster.x-k8s.io/ocimesh-fault-domain=FAULT-DOMAIN-2"

var labelledKubelets = map[string]struct {
	change func(*Input)
	env    []string
	labels string
}{
	"of a machine": {
		func(in *Input) { in.Labels[infrav1.NodeFaultDomainLabel] = "FAULT-DOMAIN-3" }, nil,
		" --node-labels=infrastructure.cluster.x-k8s.io/ocimesh-fault-domain=FAULT-DOMAIN-3," +
			"topology.kubernetes.io/region=eu-frankfurt-1,topology.kubernetes.io/zone=alice-ad-1",
	},
	"of a machine whose fault domain OCI chooses": {
		func(*Input) {}, nil,
		" --node-labels=topology.kubernetes.io/region=eu-frankfurt-1,topology.kubernetes.io/zone=alice-ad-1" + ociFaultDomain,
	},
	"of a pool's instance": {
		func(in *Input) { delete(in.Labels, "topology.kubernetes.io/zone"); in.ZonePrefix = "alice-" }, nil,
		" --node-labels=topology.kubernetes.io/region=eu-frankfurt-1,topology.kubernetes.io/zone=alice-ad-2" + ociFaultDomain,
	},
	"beside the user's in kubeadm's arguments": {
		func(*Input) {}, []string{"KUBELET_KUBEADM_ARGS=--v=2 --node-labels=a=b,topology.kubernetes.io/zone=mine"},
		" --node-labels=topology.kubernetes.io/region=eu-frankfurt-1" + ociFaultDomain,
	},
	"beside the user's in kubelet's arguments": {
		func(*Input) {}, []string{"KUBELET_EXTRA_ARGS=--node-labels=topology.kubernetes.io/region=mine,c=d"},
		" --node-labels=topology.kubernetes.io/zone=alice-ad-1" + ociFaultDomain,
	},
	"when the user sets them all": {
		func(*Input) {}, []string{
			"KUBELET_EXTRA_ARGS=--node-labels=topology.kubernetes.io/region=mine,topology.kubernetes.io/zone=mine",
			"KUBELET_KUBEADM_ARGS=--node-labels=infrastructure.cluster.x-k8s.io/ocimesh-fault-domain=mine",
		}, "",
	},
}

func TestKubeletRegistersItsNodeWithLabels(t *testing.T) {
	for name, tc := range labelledKubelets {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := controlPlaneInput()
			in.Labels = map[string]string{}
			for _, word := range strings.Fields(instanceLabels) {
				label, value, _ := strings.Cut(word, "=")
				in.Labels[label] = value
			}
			tc.change(&in)
			n := newTestNode(t, in)
			n.write("joined", "", 0o644)
			n.stub("curl", `case "$*" in
*"Authorization: Bearer Oracle"*/opc/v2/instance/availabilityDomain) printf Uocm:EU-FRANKFURT-1-AD-2 ;;
*"Authorization: Bearer Oracle"*/opc/v2/instance/faultDomain) printf FAULT-DOMAIN-2 ;;
*) exit 22 ;;
esac`)

			out, err := n.startKubelet(tc.env...)

			g.Expect(err).NotTo(HaveOccurred(), out)
			kept := ""
			for _, env := range tc.env {
				if own, is := strings.CutPrefix(env, "KUBELET_EXTRA_ARGS="); is {
					kept = own + " "
				}
			}
			written := n.read("run/capom/kubelet.env")
			g.Expect(written).To(Equal("KUBELET_EXTRA_ARGS=" + kept + "--node-ip=100.64.0.7 --provider-id=oci://ocid1.instance.oc1..node" + tc.labels + "\n"))

			n.stopKubelet()
			out, err = n.startKubelet(tc.env...)
			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.read("run/capom/kubelet.env")).To(Equal(written), "a restart adds nothing")
		})
	}
}

func TestKubeletWaitsWhileThePoolsInstanceDoesNotKnowItsZone(t *testing.T) {
	g := NewWithT(t)
	in := controlPlaneInput()
	in.ZonePrefix = "alice-"
	n := newTestNode(t, in)
	n.write("joined", "", 0o644)
	n.stub("curl", "exit 22")

	out, err := n.run("capom-kubelet")

	g.Expect(err).To(HaveOccurred())
	g.Expect(out).To(ContainSubstring("kubelet waits for the metadata service"))
	g.Expect(n.exists("run/capom/kubelet.env")).To(BeFalse())
}

func TestTheMetadataServiceNamesTheInstanceWhereCloudInitDoesNot(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.write("joined", "", 0o644)
	n.write("var/lib/cloud/data/instance-id", "iid-local01\n", 0o644)
	n.stub("curl", `case "$*" in *"Authorization: Bearer Oracle"*/opc/v2/instance/id) printf ocid1.instance.oc1..imds ;; *) exit 22 ;; esac`)

	out, err := n.run("capom-kubelet")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.read("run/capom/kubelet.env")).To(HaveSuffix("--provider-id=oci://ocid1.instance.oc1..imds\n"))
}

func TestABlankVolumeIsFormattedOnceAndMountedByUUID(t *testing.T) {
	g := NewWithT(t)
	in := controlPlaneInput()
	in.DataVolumes = []DataVolume{
		{Device: "/dev/oracleoci/oraclevdb", FileSystem: "ext4", MountPath: "/var/lib/etcd"},
		{Device: "/dev/oracleoci/oraclevdc", FileSystem: "xfs", MountPath: "/data"},
	}
	n := newTestNode(t, in)
	n.write("dev/oracleoci/oraclevdb", "", 0o600)
	n.stub("blkid", `[ -e "$CAPOM_ROOT/formatted" ] || exit 2
case "$*" in *"-s UUID"*) echo 1234-abcd ;; *"-s TYPE"*) echo ext4 ;; esac`)
	n.stub("mkfs.ext4", `touch "$CAPOM_ROOT/formatted"`)
	n.stub("mountpoint", "exit 1")

	for range 2 {
		out, err := n.run("capom-volumes")
		g.Expect(err).NotTo(HaveOccurred(), out)
		g.Expect(out).To(ContainSubstring("data volume /dev/oracleoci/oraclevdc did not appear: /data is not mounted"))
	}

	g.Expect(strings.Count(n.read("calls"), "mkfs.")).To(Equal(1))
	g.Expect(strings.Count(n.read("etc/fstab"), "UUID=1234-abcd /var/lib/etcd ext4 defaults,_netdev,nofail,"+
		"x-systemd.before=containerd.service,x-systemd.before=kubelet.service 0 2\n")).To(Equal(1), "etcd never starts below a mount that is still to come")
	g.Expect(n.calls()).To(ContainElement("mount /var/lib/etcd"))
}

func TestAVolumeThatHoldsSomethingIsNotFormatted(t *testing.T) {
	for name, blkid := range map[string]string{"a partition table": "exit 0", "something unclear": "exit 8"} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := controlPlaneInput()
			in.DataVolumes = []DataVolume{{Device: "/dev/sdb", FileSystem: "ext4", MountPath: "/data"}}
			n := newTestNode(t, in)
			n.write("dev/sdb", "", 0o600)
			n.stub("blkid", blkid)

			out, err := n.run("capom-volumes")

			g.Expect(err).To(HaveOccurred())
			g.Expect(out).To(ContainSubstring("not"))
			g.Expect(n.read("calls")).NotTo(ContainSubstring("mkfs"))
		})
	}
}
