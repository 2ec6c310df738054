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
)

const dataPath = "/data"

// growingNode has a root on the first partition of sda and a data volume, sdb, of 50 GB each. The
// kernel learns of another size, in "gb-DISK", by a rescan, which moves it to "seen-DISK".
func growingNode(t *testing.T) *testNode {
	t.Helper()
	in := installInput()
	in.Agent = true
	in.DataVolumes = []DataVolume{{Device: "/dev/oracleoci/oraclevdb", FileSystem: "xfs", MountPath: dataPath}}
	n := newTestNode(t, in)
	n.stub("findmnt", `case "$4" in
*/data) case $3 in SOURCE) echo "$CAPOM_ROOT/dev/sdb" ;; *) echo xfs ;; esac ;;
*) case $3 in SOURCE) echo /dev/sda1 ;; *) echo ext4 ;; esac ;;
esac`)
	n.stub("lsblk", `printf 'sda1 part\nsda disk\n'`)
	n.stub("growpart", "exit 1")
	n.stub("blockdev", `echo $(($(cat "$CAPOM_ROOT/seen-${2##*/}") << 30))`)
	n.write("dev/sdb", "", 0o644)
	if err := os.MkdirAll(filepath.Join(n.root, "dev/oracleoci"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../sdb", filepath.Join(n.root, "dev/oracleoci/oraclevdb")); err != nil {
		t.Fatal(err)
	}
	for _, disk := range []string{"sda", "sdb"} {
		n.write("seen-"+disk, "50\n", 0o644)
		n.write("sys/class/block/"+disk+"/device/rescan", "", 0o644)
	}
	n.stub("dd", `disk=${2##*/}; [ ! -e "$CAPOM_ROOT/gb-$disk" ] || cp "$CAPOM_ROOT/gb-$disk" "$CAPOM_ROOT/seen-$disk"`)
	return n
}

// grows runs the script once, and returns what it prints.
func (n *testNode) grows(g Gomega, asked string) string {
	n.write("calls", "", 0o644)
	out, err := n.run("capom-grow", asked)
	g.Expect(err).NotTo(HaveOccurred(), out)
	return strings.TrimSpace(out)
}

func TestFileSystemsFillTheirVolumesOnceTheyHaveGrown(t *testing.T) {
	g := NewWithT(t)
	n := growingNode(t)
	g.Expect(n.grows(g, "")).To(Equal("/=50 /data=50"))
	order(g, n.calls(), "growpart /dev/sda 1", "resize2fs /dev/sda1", "xfs_growfs "+n.root+"/data")
	g.Expect(n.read("calls")).NotTo(ContainSubstring("dd "), "nothing is asked for")

	g.Expect(n.grows(g, "/=50 /data=50")).To(Equal("/=50 /data=50"))
	g.Expect(n.read("calls")).NotTo(MatchRegexp("(?m)^(dd|growpart|resize2fs|xfs_growfs) "), "it is so already")
	g.Expect(n.read("run/capom/full")).To(Equal("/=50\n/data=50\n"), "a round each half a minute adds nothing")

	n.write("gb-sdb", "60\n", 0o644)
	g.Expect(n.grows(g, "")).To(Equal("/=50 /data=50"), "a volume is looked at again when somebody asks")
	g.Expect(n.grows(g, "/=50 /data=60")).To(Equal("/=50 /data=60"))
	g.Expect(n.read("sys/class/block/sdb/device/rescan")).To(Equal("1\n"))
	g.Expect(n.read("sys/class/block/sda/device/rescan")).To(BeEmpty())
	g.Expect(n.calls()).To(ContainElement("xfs_growfs " + n.root + "/data"))
	g.Expect(n.read("calls")).NotTo(ContainSubstring("resize2fs"))

	// A restart shows the kernel the size.
	n.write("seen-sda", "80\n", 0o644)
	n.stub("growpart", "")
	g.Expect(n.grows(g, "")).To(Equal("/=80 /data=60"))
	order(g, n.calls(), "growpart /dev/sda 1", "resize2fs /dev/sda1")
}

func TestOracleLinuxsRootFillsItsGrownVolume(t *testing.T) {
	g := NewWithT(t)
	n := growingNode(t)
	data := n.read("stubs/findmnt.stub")
	n.onLVM("0")
	n.stub("findmnt", strings.Replace(data, "/dev/sda1", "/dev/mapper/ocivolume-root", 1))
	n.write("gb-sda", "80\n", 0o644)
	n.stub("lvextend", "echo no >&2; exit 5")

	g.Expect(n.grows(g, "/=80")).To(Equal("/data=50 failed /: no"))

	n.stub("growpart", "exit 1")
	n.stub("lvextend", "")
	g.Expect(n.grows(g, "/=80")).To(Equal("/=80 /data=50"))
	order(g, n.calls(), "pvresize /dev/sda3", "lvextend -r -l +100%FREE /dev/mapper/ocivolume-root")
	g.Expect(n.read("calls")).NotTo(ContainSubstring("dd if"))
}

func TestANodeSaysWhyAFileSystemDoesNotFillItsVolume(t *testing.T) {
	for name, tc := range map[string]struct {
		node func(*testNode)
		want string
	}{
		"a partition table where ours has none": {func(n *testNode) {
			n.stub("findmnt", `case "$3 $4" in *"SOURCE "*/data) echo "$CAPOM_ROOT/dev/sdb1" ;; SOURCE*) echo /dev/sda1 ;; *) echo ext4 ;; esac`)
		}, "/=50 /data=50:left failed /data: it is on ROOT/dev/sdb1, grow it by hand"},
		"another volume in its place": {func(n *testNode) {
			n.stub("findmnt", `case "$3 $4" in *"SOURCE "*/data) echo /dev/sda1 ;; SOURCE*) echo /dev/sda1 ;; *) echo ext4 ;; esac`)
		}, "/=50 failed /data: it is mounted from /dev/sda1 and not from ROOT/dev/sdb"},
		"a volume that is not there": {func(n *testNode) {
			_ = os.Remove(filepath.Join(n.root, "seen-sdb"))
			n.stub("findmnt", `case "$3 $4" in *"SOURCE "*/data) exit 1 ;; SOURCE*) echo /dev/sda1 ;; *) echo ext4 ;; esac`)
		}, "/=50 failed /data: it is mounted from nothing and not from ROOT/dev/sdb"},
		"another file system": {func(n *testNode) {
			n.stub("findmnt", strings.Replace(n.read("stubs/findmnt.stub"), "echo xfs", "echo btrfs", 1))
		}, "/=50 /data=50:left failed /data: it is on btrfs, grow it by hand"},
		"a tool that fails": {func(n *testNode) { n.stub("resize2fs", "echo 'resize2fs: Read-only' >&2; exit 1") },
			"/data=50 failed /: resize2fs: Read-only"},
		"growpart fails": {func(n *testNode) { n.stub("growpart", "exit 2") }, "/data=50 failed /: growpart cannot grow sda1"},
		"Ubuntu's root on LVM": {func(n *testNode) { n.stub("lsblk", `printf 'vg-root lvm\nsda3 part\nsda disk\n'`) },
			"/=50:left /data=50 failed /: it is on lvm, grow it by hand"},
		"nothing is known of the root": {func(n *testNode) { n.stub("lsblk", "exit 1") },
			"/data=50 failed /: it is on nothing known"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			n := growingNode(t)
			tc.node(n)
			g.Expect(strings.ReplaceAll(n.grows(g, "/=50 /data=60"), n.root, "ROOT")).To(Equal(tc.want))
			g.Expect(n.grows(g, "")).To(ContainSubstring("failed"), "a failure is tried again")
		})
	}
}

func TestANodeTellsWhichVolumesAreFull(t *testing.T) {
	g := NewWithT(t)
	n := updatedNode(t, func(in *Input) {
		in.DataVolumes = []DataVolume{{Device: "/dev/oracleoci/oraclevdb", FileSystem: "xfs", MountPath: dataPath}}
	})
	other := growingNode(t)
	for _, stub := range []string{"findmnt", "lsblk", "growpart", "blockdev", "dd"} {
		n.stub(stub, strings.ReplaceAll(other.read("stubs/"+stub+".stub"), "$CAPOM_ROOT", other.root))
	}
	n.stub("readlink", "echo "+other.root+"/dev/sdb")
	n.write("stubs/readlink", stubScript, 0o755)
	n.write("sys/class/block/sdb/device/rescan", "", 0o644)
	out, err := n.round()
	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.world("volumes")).To(Equal("/=50 /data=50"))
	g.Expect(n.world("reported")).To(Equal("v1.36.1 1.102.3 done"))

	other.write("gb-sdb", "60\n", 0o644)
	n.write("world/wanted-volumes", "/=50 /data=60", 0o644)
	n.wants("v1.36.0 -")
	out, err = n.round()
	g.Expect(err).To(HaveOccurred(), out)
	g.Expect(n.world("volumes")).To(Equal("/=50 /data=60"), "whatever becomes of a version")

	// After a reboot, with nobody to tell.
	n.reboots()
	n.write("world/no-api", "", 0o644)
	other.write("seen-sda", "80\n", 0o644)
	out, _ = n.round()
	g.Expect(n.calls()).To(ContainElement("resize2fs /dev/sda1"), out)
}

// losetup's new capacity stands for the rescan.
func TestARealFileSystemFillsItsGrownVolume(t *testing.T) {
	for _, fileSystem := range []string{"ext4", "xfs"} {
		t.Run(fileSystem, func(t *testing.T) {
			g := NewWithT(t)
			n, device := volumeNode(t, fileSystem)
			agent, err := os.ReadFile("agent/bin/capom-grow.sh")
			g.Expect(err).NotTo(HaveOccurred())
			n.write(scriptsDir+"/capom-grow", string(agent), 0o755)
			n.real("findmnt", "blockdev", "resize2fs", "xfs_growfs", "df", "losetup", "truncate")
			backing, err := exec.Command("losetup", "--noheadings", "--output", "BACK-FILE", device).Output()
			g.Expect(err).NotTo(HaveOccurred())
			file := strings.TrimSpace(string(backing))
			g.Expect(os.Truncate(file, 1<<30)).To(Succeed())
			g.Expect(exec.Command("losetup", "--set-capacity", device).Run()).To(Succeed())
			grow := n.root + "/" + scriptsDir + "/capom-grow; df --output=size -BM . | tail -n 1"

			out, err := n.mounted("touch member && " + grow + "; truncate -s 2G " + file + "; losetup --set-capacity " + device + "; " + grow + "; ls")

			g.Expect(err).NotTo(HaveOccurred(), out)
			if strings.Contains(out, "Permission denied to resize") {
				t.Skip("NOT CHECKED: this machine gives no CAP_SYS_RESOURCE, which an ext4 that is mounted needs to grow")
			}
			g.Expect(out).To(MatchRegexp(`(?s)/var/lib/etcd=1 .*[89]\d\dM.*/var/lib/etcd=2 .*(19|20)\d\dM.*member`))
		})
	}
}
