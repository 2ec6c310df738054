// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package boot_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
)

func TestAJoinedMachineComesBackFromAnyRebootWithoutItsKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	key, err := clouds.CreateKey(b.t.Context(), time.Hour, uncachedTag)
	b.Expect(err).NotTo(HaveOccurred())
	in := input("returning-1", workerData(nil))
	in.Tailnet.AuthKey = cloudinit.Secret(key.Key)
	s := b.boot(world.SoloOptions{Account: blockedAtReboot, Input: in, Files: map[string]string{
		"/etc/systemd/system.conf.d/lab.conf": "[Manager]\nDefaultEnvironment=CAPOM_ADDRESS_WAIT=5\n"}})
	s.joined()
	b.Expect(clouds.DeleteKey(b.t.Context(), key.ID)).To(Succeed(), "as the manager revokes it")
	before := s.state()
	s.leaveGroup()

	b.Expect(s.Machine().Reboot(b.t.Context())).To(Succeed())

	s.isBack(before, "a clean reboot")

	s.leaveGroup()
	b.Expect(s.Machine().Kill()).To(Succeed())
	b.Expect(s.Machine().Boot(b.t.Context())).To(Succeed())

	s.isBack(before, "a power cut")

	b.block(blockedAtReboot, true)
	b.Expect(s.Machine().Reboot(b.t.Context())).To(Succeed())

	b.Eventually(s.ask("journalctl -b -u capom-join --no-pager"), booted).Should(ContainSubstring("Joining the tailnet failed (attempt 1): "))
	s.console(soon, "no tailnet address yet: the coordination server does not answer")
	b.Expect(s.events("kubelet.service")).To(BeEmpty(), "kubelet waits")

	b.block(blockedAtReboot, false)

	s.isBack(before, "a reboot without the coordination server")
	b.Expect(s.sh("wc -l <"+record)).To(Equal(before.record), "kubeadm ran once")
}

// The policy gives its devices cache-network-maps. The relay is out of reach as well, so that
// tailscaled stays Starting.
func TestKubeletStartsOnANetworkMapFromTheDiskWithoutTheCoordinationServer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.boot(world.SoloOptions{Account: blockedWithMap, Input: input("mapped-1", workerData(nil))})
	s.joined()
	before := s.state()
	b.Eventually(s.ask("find /var/lib/tailscale/profile-data/*/netmap-cache -type f"), soon).ShouldNot(BeEmpty())

	b.block(blockedWithMap, true)
	b.Expect(s.Machine().Reboot(b.t.Context())).To(Succeed())

	b.Eventually(s.ask("systemctl is-active capom-join.service || true"), booted).Should(Equal("active"))
	b.Expect(s.sh("journalctl -b -u tailscaled --no-pager")).To(ContainSubstring("loaded netmap from disk cache"))
	b.Expect(s.address()).To(Equal(before.device.IPv4.String()))
	b.Eventually(func() []event { return s.events("kubelet.service") }, soon).ShouldNot(BeEmpty())

	b.block(blockedWithMap, false)

	s.isBack(before, "a reboot on the map from the disk")
}

// remembered is the state to be the same after each boot.
type remembered struct {
	device        tailnetsim.Device
	rules, guards string
	// record is how much the stand-in for kubeadm has written.
	record string
}

// state waits until the node is complete.
func (s *solo) state() remembered {
	s.bench.t.Helper()
	var r remembered
	var err error
	s.bench.Eventually(func() (bool, error) {
		r.device, err = s.Device(s.bench.t.Context())
		return r.device.Online, err
	}, soon).Should(BeTrue())
	r.rules = s.sh(ownRules)
	r.guards = s.sh("nft list table inet capom")
	r.record = s.sh("wc -l <" + record)
	s.bench.Expect(r.rules).To(ContainSubstring("to 100.64.0.0/10 lookup 52"))
	s.bench.Expect(r.rules).To(ContainSubstring("to 10.250.0.0/16 lookup 52"))
	return r
}

// leftGroup is a control group like a container's. A reboot must remove it: the lab has to act as a
// kernel would.
const leftGroup = "find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -type d -name left"

func (s *solo) leaveGroup() {
	s.bench.t.Helper()
	s.sh("find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs -printf '%h\\n' | sort | head -n 2 | while read -r group; do mkdir $group/left; done")
	s.bench.Expect(s.sh(leftGroup)).NotTo(BeEmpty())
}

// isBack waits until the machine is in its former state.
func (s *solo) isBack(before remembered, after string) {
	s.bench.t.Helper()
	b := s.bench
	b.Eventually(s.ask("systemctl is-active capom-join.service || true"), booted).Should(Equal("active"), after)
	b.Expect(s.address()).To(Equal(before.device.IPv4.String()), after)
	b.Expect(s.sh("ip -4 -o addr show dev tailscale0")).To(ContainSubstring("inet "+before.device.IPv4.String()+"/32"), after)
	b.Eventually(func() []event { return s.events("kubelet.service") }, soon).ShouldNot(BeEmpty(), after)
	b.Expect(s.sh(leftGroup)).To(BeEmpty(), after)
	joined := s.events("capom-join.service")
	b.Expect(joined).NotTo(BeEmpty(), after)
	b.Expect(s.events("kubelet.service")[0].at).To(BeNumerically(">", joined[len(joined)-1].at), "kubelet starts after the join: "+after)
	now := s.state()
	b.Expect(now.device.ID).To(Equal(before.device.ID), after)
	b.Expect(now.rules).To(Equal(before.rules), after)
	b.Expect(now.guards).To(Equal(before.guards), after)
	b.Expect(s.sh("sysctl -n net.ipv4.ip_forward net.ipv4.conf.all.src_valid_mark")).To(Equal("1\n0"), after)
	b.Expect(s.sh("iptables -S INPUT | tail -n 1")).To(ContainSubstring("-j REJECT"), after)
	b.Expect(s.sh("iptables -S INPUT")).To(ContainSubstring("-i tailscale0"), after)
}

// event is a message of systemd's about a unit on this boot.
type event struct {
	// at is in microseconds since the host's start.
	at      int
	message string
}

// events are the completed starts of a unit, or of the first program before its main one, on this
// boot.
func (s *solo) events(unit string) []event {
	s.bench.t.Helper()
	var events []event
	for line := range strings.Lines(s.sh("journalctl -b -o json --output-fields=MESSAGE,JOB_TYPE,JOB_RESULT,__MONOTONIC_TIMESTAMP UNIT=" + unit + " || true")) {
		var entry struct {
			Message string `json:"MESSAGE"`
			Job     string `json:"JOB_TYPE"`
			Result  string `json:"JOB_RESULT"`
			At      string `json:"__MONOTONIC_TIMESTAMP"`
		}
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Job != "start" || (entry.Result != "done" && !strings.HasPrefix(entry.Message, "Starting")) {
			continue
		}
		at, err := strconv.Atoi(entry.At)
		s.bench.Expect(err).NotTo(HaveOccurred())
		events = append(events, event{at, entry.Message})
	}
	return events
}
