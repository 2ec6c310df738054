// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package enter

import (
	"errors"
	"os/exec"
	"testing"

	. "github.com/onsi/gomega"
)

func TestCommandsMissingNamesEachWithItsPackage(t *testing.T) {
	g := NewWithT(t)
	look := func(name string) (string, error) {
		if name == "losetup" || name == "systemd-nspawn" {
			return "", exec.ErrNotFound
		}
		return "/usr/bin/" + name, nil
	}

	missing := commandsMissing(look)

	g.Expect(missing).To(ConsistOf(
		"the command systemd-nspawn (Debian, Ubuntu: apt-get install systemd-container)",
		"the command losetup (Debian, Ubuntu: apt-get install mount)"))
}

func TestCommandsMissingListsAll(t *testing.T) {
	g := NewWithT(t)

	missing := commandsMissing(func(string) (string, error) { return "", errors.New("no such command") })

	g.Expect(missing).To(HaveLen(len(commands)))
}

func TestDevicesOfDeadLabsOnly(t *testing.T) {
	g := NewWithT(t)
	list := "/dev/loop0 /var/lib/snapd/snaps/core.snap\n" +
		"/dev/loop1 /home/me/out/capom-lab-volumes/17.1/disk one.img\n" +
		"/dev/loop3 /home/me/out/capom-lab-volumes/18.1/disk.img\n" +
		"/dev/loop12 /home/me/out/capom-lab-volumes/17.2/disk.img (deleted)\n"

	g.Expect(devicesOfDead(list, map[string]bool{"18.1": true})).To(Equal([]string{"/dev/loop1", "/dev/loop12"}))
	g.Expect(devicesOfDead("", nil)).To(BeEmpty())
}

func TestTooLittleDiskIsNamedWithWhatIsFree(t *testing.T) {
	g := NewWithT(t)
	g.Expect(diskLacks(diskNeeded)).To(BeEmpty())
	g.Expect(diskLacks(2 << 30)).To(ConsistOf(ContainSubstring("2048 MiB are free")))
}
