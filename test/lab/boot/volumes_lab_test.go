// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package boot_test

import (
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
)

const (
	blankVolume   = "/dev/oracleoci/oraclevdb"
	missingVolume = "/dev/oracleoci/oraclevdc"
	foreignVolume = "/dev/oracleoci/oraclevdd"
	oldVolume     = "/dev/oracleoci/oraclevde"

	blankPath, missingPath, foreignPath, oldPath = "/var/lib/etcd", "/srv/missing", "/srv/foreign", "/srv/old"
)

func TestDataVolumesAreFormattedOnceAndMountedAtEveryBoot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := input("volumes-1", workerData(nil))
	in.DataVolumes = []cloudinit.DataVolume{
		{Device: missingVolume, FileSystem: "ext4", MountPath: missingPath}, {Device: blankVolume, FileSystem: "ext4", MountPath: blankPath},
		{Device: oldVolume, FileSystem: "ext4", MountPath: oldPath}, {Device: foreignVolume, FileSystem: "xfs", MountPath: foreignPath},
	}
	var foreign [sha256.Size]byte
	s := b.boot(world.SoloOptions{Account: bravo, Input: in, Files: files("CAPOM_VOLUME_WAIT=3"),
		Volumes: map[string]int64{blankVolume: 1, foreignVolume: 1, oldVolume: 1},
		Before: func(s *world.Solo) error {
			b.run("truncate", "--size=1G", b.folderOf(s.VolumePath(oldVolume)), s.VolumePath(foreignVolume))
			b.run("mkfs.ext4", "-q", "-L", "old", s.VolumePath(oldVolume))
			// A partition table: its partition may hold anything.
			b.run("sh", "-c", "echo 'label: gpt\n,100M' | sfdisk -q "+s.VolumePath(foreignVolume))
			foreign = b.sum(s.VolumePath(foreignVolume))
			return nil
		}})

	s.console(booted, "capom: data volume "+missingVolume+" did not appear: "+missingPath+" is not mounted")
	s.consoleMatches(soon, `capom: Mounting the data volumes failed \(attempt \d+\): `+foreignVolume+" holds no file system, and is not blank: not touched")
	b.Expect(s.kubeadmRan()).To(BeFalse())
	b.Expect(b.sum(s.VolumePath(foreignVolume))).To(Equal(foreign))

	s.sh("wipefs -q -a " + foreignVolume)

	s.joined()
	b.Expect(s.sh("cat "+record)).To(And(ContainSubstring(" on "+blankPath+" type ext4"), ContainSubstring(" on "+oldPath+" type ext4"),
		ContainSubstring(" on "+foreignPath+" type xfs"), Not(ContainSubstring(missingPath))), "what was mounted when kubeadm ran")
	b.Expect(s.sh("blkid -p -s LABEL -o value "+oldVolume)).To(Equal("old"), "a file system is not formatted again")
	s.takenByKubeadm()
	s.sh("echo kept >" + blankPath + "/file")
	b.Expect(s.ask(initPreflight)()).To(ContainSubstring("[ERROR DirAvailable--var-lib-etcd]"), "control: what is not empty is refused")
	identity := s.sh("blkid -p -s UUID -o value " + blankVolume)

	b.Expect(s.Machine().Reboot(b.t.Context())).To(Succeed())

	b.Eventually(s.ask("systemctl is-active containerd.service || true"), booted).Should(Equal("active"))
	b.Expect(s.sh("cat "+blankPath+"/file")).To(Equal("kept"), "%s", s.ask("systemctl --no-pager status '*.mount' '*.device'; journalctl -b --no-pager -p warning | tail -n 30"))
	b.Expect(s.sh("blkid -p -s UUID -o value " + blankVolume)).To(Equal(identity))
	for _, path := range []string{blankPath, oldPath, foreignPath} {
		unit := s.sh("systemd-escape --path --suffix=mount " + path)
		mounted := s.events(unit)
		b.Expect(mounted).NotTo(BeEmpty(), unit)
		b.Expect(mounted[len(mounted)-1].at).To(BeNumerically("<", s.events("containerd.service")[0].at), "%s is mounted before containerd starts", path)
		b.Expect(s.sh("systemctl show -P Before " + unit)).To(ContainSubstring("kubelet.service"))
	}

	s.waitsForAVolume()
}

// waitsForAVolume boots the machine without a volume, and gives it back.
func (s *solo) waitsForAVolume() {
	s.bench.t.Helper()
	b := s.bench
	s.sh(idleKubelet)
	b.Expect(s.Machine().Shutdown(b.t.Context())).To(Succeed())
	b.Expect(s.Machine().DetachVolume(blankVolume)).To(Succeed())
	b.Expect(s.Machine().Boot(b.t.Context())).To(Succeed())

	b.Eventually(s.ask("systemctl is-active capom-join.service || true"), booted).Should(Equal("active"), "a volume that is gone does not stop the boot")
	b.Eventually(s.ask("systemctl is-active containerd.service || true"), booted).Should(Equal("active"))
	b.Expect(s.try("mountpoint -q " + blankPath)).To(BeFalse())
	b.Expect(s.try("mountpoint -q " + oldPath)).To(BeTrue())
	b.Eventually(s.ask("journalctl -b -u kubelet --no-pager"), booted).Should(ContainSubstring(blankPath + " is not mounted: kubelet waits for the data volume " + blankVolume))
	b.Expect(s.sh("systemctl show -P ExecMainStartTimestampMonotonic kubelet.service")).To(Equal("0"), "etcd would begin anew in the empty directory")

	b.Expect(s.Machine().AttachVolume(b.t.Context(), blankVolume, s.VolumePath(blankVolume), 1<<30)).To(Succeed())

	b.Eventually(s.ask("systemctl is-active kubelet.service || true"), booted).Should(Equal("active"))
	b.Expect(s.sh("cat " + blankPath + "/file")).To(Equal("kept"))
	b.Expect(s.try("[ $(systemctl show -P ActiveEnterTimestampMonotonic containerd.service) -gt "+
		"$(systemctl show -P ActiveEnterTimestampMonotonic $(systemd-escape --path --suffix=mount "+blankPath+")) ]")).To(BeTrue(), "containerd looks at the volume")
}

// idleKubelet lets kubelet start, of which the lab's drop-in keeps a machine without a cluster, and
// has it do nothing.
const idleKubelet = `mkdir -p /var/lib/kubelet && touch /var/lib/kubelet/config.yaml
printf '[Service]\nExecStart=\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/kubelet.service.d/90-lab.conf`

// initPreflight has kubeadm check the machine for a first control plane with etcd. Images are not
// pulled: there is no registry.
const initPreflight = `cat >/run/init.yaml <<EOF
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: $(tailscale ip -4)}
nodeRegistration: {imagePullPolicy: Never, ignorePreflightErrors: [SystemVerification, Mem, NumCPU, Swap]}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $(/usr/bin/kubeadm version -o short)
EOF
/usr/bin/kubeadm init phase preflight --config /run/init.yaml 2>&1`

// takenByKubeadm runs kubeadm's own checks.
func (s *solo) takenByKubeadm() {
	s.bench.t.Helper()
	s.bench.Expect(s.sh("ls -A "+blankPath)).To(BeEmpty(), "a new volume")
	s.bench.Expect(s.sh(initPreflight)).To(And(ContainSubstring("[preflight] Running pre-flight checks"), Not(ContainSubstring("[ERROR "))))
}

// run runs a program beside the machines.
func (b *bench) run(program string, args ...string) {
	b.t.Helper()
	out, err := exec.CommandContext(b.t.Context(), program, args...).CombinedOutput()
	b.Expect(err).NotTo(HaveOccurred(), "%s: %s", program, out)
}

// folderOf makes a file's folder and returns the file's path.
func (b *bench) folderOf(file string) string {
	b.t.Helper()
	b.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
	return file
}

// sum is the digest of a volume's first megabytes: file systems and partition tables begin there.
func (b *bench) sum(file string) [sha256.Size]byte {
	b.t.Helper()
	f, err := os.Open(file)
	b.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = f.Close() }()
	head := make([]byte, 8<<20)
	_, err = f.ReadAt(head, 0)
	b.Expect(err).NotTo(HaveOccurred())
	return sha256.Sum256(head)
}
