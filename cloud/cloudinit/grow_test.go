// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// onLVM is Oracle Linux' root: the third partition of the boot volume holds the group "ocivolume"
// and nothing is left free in it. grown is growpart's exit status: 0, or 1 for nothing to grow.
func (n *testNode) onLVM(grown string) {
	n.write("etc/os-release", "ID=\"ol\"\nVERSION_ID=\"9.5\"\n", 0o644)
	n.stub("findmnt", "echo /dev/mapper/ocivolume-root")
	n.stub("lsblk", `[ "$3" != /dev/mapper/ocivolume-root ] || printf 'ocivolume-root lvm\nsda3 part\nsda disk\n'`)
	n.stub("growpart", "exit "+grown)
}

func TestOracleLinuxsRootTakesTheWholeBootVolume(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.onLVM("0")

	out, err := n.run("capom-host")

	g.Expect(err).NotTo(HaveOccurred(), out)
	order(g, n.calls(), "growpart /dev/sda 3", "pvresize /dev/sda3", "lvextend -r -l +100%FREE /dev/mapper/ocivolume-root")
	n.write("calls", "", 0o644)
	n.stub("growpart", "exit 1")
	out, err = n.run("capom-host")
	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.read("calls")).NotTo(ContainSubstring("lvextend"), "nothing is left to do")
	g.Expect(out).NotTo(ContainSubstring("was not grown"))
}

func TestARootThatCannotGrowIsLeft(t *testing.T) {
	cases := map[string]struct {
		node func(*testNode)
		says bool
	}{
		"nothing was added to the volume": {node: func(n *testNode) { n.onLVM("1") }},
		"Ubuntu": {node: func(n *testNode) {
			n.onLVM("0")
			n.write("etc/os-release", "ID=ubuntu\nVERSION_CODENAME=noble\nVERSION_ID=24.04\n", 0o644)
		}},
		"no LVM": {node: func(n *testNode) {
			n.onLVM("0")
			n.stub("lsblk", `printf 'sda3 part\nsda disk\n'`)
		}},
		"a whole disk in the group": {node: func(n *testNode) {
			n.onLVM("0")
			n.stub("lsblk", `printf 'ocivolume-root lvm\nsdb disk\n'`)
		}},
		"growpart fails":       {node: func(n *testNode) { n.onLVM("2") }, says: true},
		"there is no growpart": {node: func(n *testNode) { n.onLVM("127") }, says: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, controlPlaneInput())
			tc.node(n)

			out, err := n.run("capom-host")

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.read("calls")).NotTo(ContainSubstring("lvextend"))
			g.Expect(n.read("calls")).To(ContainSubstring("swapoff -a"), "the machine boots all the same")
			g.Expect(strings.Contains(out, "was not grown")).To(Equal(tc.says), out)
		})
	}
}

func TestARootThatLVMDidNotGrowGrowsLater(t *testing.T) {
	for _, fails := range []string{"pvresize", "lvextend"} {
		t.Run(fails, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, controlPlaneInput())
			n.onLVM("0")
			n.stub(fails, "exit 5")
			out, err := n.run("capom-host")
			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(out).To(ContainSubstring("was not grown"))

			n.stub("growpart", "exit 1")
			n.stub(fails, "")
			n.write("calls", "", 0o644)
			out, err = n.run("capom-host")
			g.Expect(err).NotTo(HaveOccurred(), out)
			order(g, n.calls(), "pvresize /dev/sda3", "lvextend -r -l +100%FREE /dev/mapper/ocivolume-root")
			g.Expect(out).NotTo(ContainSubstring("was not grown"))

			n.write("calls", "", 0o644)
			_, err = n.run("capom-host")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(n.read("calls")).NotTo(ContainSubstring("lvextend -r"), "nothing is left to do")
		})
	}
}
