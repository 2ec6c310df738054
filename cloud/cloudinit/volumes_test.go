// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const etcdPath = "/var/lib/etcd"

// volumeNode is a node with a blank data volume, a real block device, on etcd's directory.
func volumeNode(t *testing.T, fileSystem string) (n *testNode, device string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED: only root has block devices")
	}
	in := controlPlaneInput()
	in.DataVolumes = []DataVolume{{Device: "/dev/oracleoci/oraclevdb", FileSystem: fileSystem, MountPath: etcdPath}}
	n = newTestNode(t, in)
	n.real("mkfs.ext4", "mkfs.xfs", "blkid", "mountpoint")
	requireTool(t, "mkfs."+fileSystem, map[string]string{"ext4": "e2fsprogs", "xfs": "xfsprogs"}[fileSystem])
	backing := filepath.Join(t.TempDir(), "volume")
	if err := os.WriteFile(backing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(backing, 512<<20); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", backing).CombinedOutput()
	if err != nil {
		t.Skipf("NOT CHECKED: this machine gives no loop devices: %v: %s", err, out)
	}
	device = strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	if err := os.MkdirAll(filepath.Join(n.root, "dev/oracleoci"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(device, filepath.Join(n.root, "dev/oracleoci/oraclevdb")); err != nil {
		t.Fatal(err)
	}
	// The real mount would look the path up in this machine's fstab.
	n.stub("mount", `exec /bin/mount `+device+` "$CAPOM_ROOT$1"`)
	return n, device
}

// mounted runs capom-volumes and then a script, with mounts of their own that end with them.
func (n *testNode) mounted(script string) (string, error) {
	volumes := n.command(filepath.Join(scriptsDir, "capom-volumes"))
	cmd := exec.Command("unshare", "-m", "sh", "-euc", volumes.Path+" && cd $CAPOM_ROOT"+etcdPath+" && "+script)
	cmd.Env = volumes.Env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestANewVolumeIsEmptyAsKubeadmWantsIt(t *testing.T) {
	for _, fileSystem := range []string{"ext4", "xfs"} {
		t.Run(fileSystem, func(t *testing.T) {
			g := NewWithT(t)
			n, device := volumeNode(t, fileSystem)

			out, err := n.mounted(`mountpoint -q . && echo "entries: $(ls -A)"`)

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(out).To(HaveSuffix("entries: \n"), "kubeadm's DirAvailableCheck takes no entry at all")
			out, err = n.mounted(`touch member && echo "entries: $(ls -A)"`)
			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(out).To(HaveSuffix("entries: member\n"))
			g.Expect(strings.Count(n.read("etc/fstab"), " "+etcdPath+" ")).To(Equal(1))
			if fileSystem == "ext4" {
				check, err := exec.Command("e2fsck", "-f", "-p", device).CombinedOutput()
				g.Expect(err == nil || strings.Contains(string(check), "lost+found not found")).To(BeTrue(), string(check))
				out, err = n.mounted(`echo "entries:" $(ls -A)`)
				g.Expect(err).NotTo(HaveOccurred(), out)
				g.Expect(out).To(ContainSubstring("member"), "a check of the file system harms nothing")
			}
		})
	}
}

func TestAVolumeWithDataIsKeptAsItIs(t *testing.T) {
	cases := map[string]struct{ fill, want string }{
		"data beside lost+found": {"mkdir member", "lost+found member"},
		"data in lost+found":     {"touch lost+found/#12", "lost+found"},
		"data alone":             {"rmdir lost+found; mkdir member", "member"},
		"a former blank volume":  {"true", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n, device := volumeNode(t, "ext4")
			made, err := exec.Command("unshare", "-m", "sh", "-euc",
				"mkfs.ext4 -q "+device+" && mount "+device+" /mnt && cd /mnt && "+tc.fill).CombinedOutput()
			g.Expect(err).NotTo(HaveOccurred(), string(made))

			out, err := n.mounted(`echo "entries:" $(ls -A)`)

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(strings.TrimSpace(out)).To(HaveSuffix(strings.TrimSpace("entries: " + tc.want)))
			g.Expect(out).NotTo(ContainSubstring("formatting"))
		})
	}
}

// volumesInput is a control plane on an image that has all programs, with two data volumes, one of
// them below containerd.
func volumesInput() Input {
	in := controlPlaneInput()
	in.DataVolumes = []DataVolume{
		{Device: "/dev/oracleoci/oraclevdb", FileSystem: "ext4", MountPath: etcdPath},
		{Device: "/dev/oracleoci/oraclevdc", FileSystem: "xfs", MountPath: "/var/lib/containerd"},
	}
	return in
}

const restartOfContainerd = "systemctl try-restart containerd.service"

func TestContainerdOfAnImageIsRestartedOnceBehindTheMounts(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, volumesInput())
	n.stub("blkid", `case "$*" in *"-s UUID"*) echo "of-${6##*/}" ;; *"-s TYPE"*) echo ext4 ;; esac`)
	n.stub("mountpoint", `[ -e "$CAPOM_ROOT/mounted${2##*/}" ]`)
	n.stub("mount", `[ "$1" != /var/lib/containerd ] || [ -e "$CAPOM_ROOT/readable" ] || exit 32; touch "$CAPOM_ROOT/mounted${1##*/}"`)
	for _, device := range []string{"oraclevdb", "oraclevdc"} {
		n.write("dev/oracleoci/"+device, "", 0o600)
	}

	out, err := n.run("capom-volumes")
	g.Expect(err).To(HaveOccurred(), out)
	n.write("readable", "", 0o644)
	out, err = n.run("capom-volumes")
	g.Expect(err).NotTo(HaveOccurred(), out)

	g.Expect(slices.IsSorted(order(g, n.calls(), "mount "+etcdPath, "mount /var/lib/containerd", restartOfContainerd))).To(BeTrue(), "%v", n.calls())
	g.Expect(strings.Count(n.read("calls"), restartOfContainerd)).To(Equal(1), "systemd gives up on what starts too often")
	out, err = n.run("capom-volumes")
	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(strings.Count(n.read("calls"), restartOfContainerd)).To(Equal(1), "nothing was mounted")
}

func TestKubeletWaitsUntilItsDataVolumesAreMounted(t *testing.T) {
	const etcd, containerd = "UUID=1 /var/lib/etcd ext4 defaults 0 2\n", "UUID=2 /var/lib/containerd xfs defaults 0 2\n"
	for name, tc := range map[string]struct{ fstab, mounted, asked, want string }{
		"all are mounted":                      {fstab: etcd + containerd, mounted: "etcd containerd"},
		"one is not":                           {etcd + containerd, "containerd", etcdPath, "/var/lib/etcd is not mounted: kubelet waits for the data volume /dev/oracleoci/oraclevdb"},
		"the other is not":                     {etcd + containerd, "etcd", "/var/lib/containerd", "/var/lib/containerd is not mounted: kubelet waits for the data volume /dev/oracleoci/oraclevdc"},
		"one did not appear at the first boot": {fstab: containerd, mounted: "containerd"},
		"somebody has taken one out":           {fstab: "#" + etcd + "# " + etcd + containerd, mounted: "containerd"},
		"none did":                             {},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, volumesInput())
			n.write("joined", "", 0o644)
			n.write("etc/fstab", "UUID=0 / ext4 defaults 0 1\nUUID=3 /var/lib/etcd/archive ext4 defaults 0 2\n"+tc.fstab, 0o644)
			n.write("mounted", tc.mounted, 0o644)
			n.stub("mountpoint", `grep -qw "${2##*/}" "$CAPOM_ROOT/mounted"`)

			for range 2 {
				out, err := n.run("capom-kubelet")
				g.Expect(err != nil).To(Equal(tc.want != ""), out)
				g.Expect(strings.TrimSpace(out)).To(Equal(tc.want))
				g.Expect(n.exists("run/capom/kubelet.env")).To(Equal(tc.want == ""))
			}
			g.Expect(n.read("calls")).NotTo(ContainSubstring(restartOfContainerd))
			if tc.want == "" {
				g.Expect(n.read("calls")).NotTo(ContainSubstring("systemctl start"))
				return
			}
			g.Expect(n.calls()).To(ContainElement("systemctl start --no-block "+tc.asked), "systemd checks the file system before it mounts it")

			n.write("mounted", "etcd containerd", 0o644)
			for range 2 {
				out, err := n.run("capom-kubelet")
				g.Expect(err).NotTo(HaveOccurred(), out)
			}
			g.Expect(n.exists("run/capom/kubelet.env")).To(BeTrue())
			g.Expect(strings.Count(n.read("calls"), restartOfContainerd)).To(Equal(1), "it ran on the directory below")
		})
	}
}
