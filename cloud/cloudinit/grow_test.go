// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"testing"

	. "github.com/onsi/gomega"
)

// onLVM is Oracle Linux' root: the third partition of the boot volume holds the group "ocivolume" and
// nothing is left free in it. grown is how much the partition can grow: growpart's exit status.
func (n *testNode) onLVM(grown, fileSystem string) {
	n.write("etc/os-release", "ID=\"ol\"\nVERSION_ID=\"9.5\"\n", 0o644)
	n.write("sys/class/block/sda3/partition", "3\n", 0o644)
	n.stub("findmnt", `case $3 in SOURCE) echo /dev/mapper/ocivolume-root ;; FSTYPE) echo `+fileSystem+` ;; esac`)
	n.stub("lvs", `[ "$4" != /dev/mapper/ocivolume-root ] || echo "  ocivolume"`)
	n.stub("pvs", `echo "  /dev/sda3"`)
	n.stub("lsblk", `echo sda`)
	n.stub("growpart", "exit "+grown)
	n.stub("vgs", `if [ -e "$CAPOM_ROOT/extended" ]; then echo "  0"; else echo "  38400"; fi`)
	n.stub("lvextend", `touch "$CAPOM_ROOT/extended"`)
}

func TestOracleLinuxsRootTakesTheWholeBootVolume(t *testing.T) {
	for fileSystem, grows := range map[string]string{"xfs": "xfs_growfs ", "ext4": "resize2fs /dev/mapper/ocivolume-root"} {
		t.Run(fileSystem, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, controlPlaneInput())
			n.onLVM("0", fileSystem)

			out, err := n.run("capom-host")

			g.Expect(err).NotTo(HaveOccurred(), out)
			order(g, n.calls(), "growpart /dev/sda 3", "pvresize /dev/sda3", "lvextend -l +100%FREE /dev/mapper/ocivolume-root", grows)
			n.write("calls", "", 0o644)
			n.stub("growpart", "exit 1")
			out, err = n.run("capom-host")
			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.read("calls")).NotTo(ContainSubstring("lvextend"), "a second run finds nothing to do")
			g.Expect(out).NotTo(ContainSubstring("could not be grown"))
		})
	}
}

func TestARootThatCannotGrowIsLeft(t *testing.T) {
	cases := map[string]struct {
		node func(*testNode)
		says bool
	}{
		"nothing was added to the volume": {node: func(n *testNode) { n.onLVM("1", "xfs") }},
		"Ubuntu": {node: func(n *testNode) {
			n.onLVM("0", "ext4")
			n.write("etc/os-release", "ID=ubuntu\nVERSION_CODENAME=noble\nVERSION_ID=24.04\n", 0o644)
		}},
		"no LVM": {node: func(n *testNode) {
			n.onLVM("0", "xfs")
			n.stub("lvs", "exit 5")
		}},
		"a whole disk in the group": {node: func(n *testNode) {
			n.onLVM("0", "xfs")
			n.stub("pvs", "echo /dev/sdb")
		}},
		"growpart fails": {node: func(n *testNode) { n.onLVM("2", "xfs") }, says: true},
		"LVM fails": {node: func(n *testNode) {
			n.onLVM("0", "xfs")
			n.stub("lvextend", "exit 5")
		}, says: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, controlPlaneInput())
			tc.node(n)

			out, err := n.run("capom-host")

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.read("calls")).NotTo(ContainSubstring("xfs_growfs"))
			g.Expect(n.read("calls")).To(ContainSubstring("swapoff -a"), "the machine boots all the same")
			g.Expect(out).To(Or(ContainSubstring("could not be grown"), Not(ContainSubstring("grown"))))
			if tc.says {
				g.Expect(out).To(ContainSubstring("the root file system could not be grown to the boot volume's size"))
			}
		})
	}
}
