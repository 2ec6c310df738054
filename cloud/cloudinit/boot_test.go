// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

const soon = time.Minute

// bootNode lays out the files as cloud-init leaves them before scripts-user: our script under its
// part's name, runcmd beside it, and the files of the bootstrap data.
func bootNode(t *testing.T, in Input) *testNode {
	t.Helper()
	n := newTestNode(t, in)
	script, err := nodeScript(in.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(n.root, "usr")); err != nil {
		t.Fatal(err)
	}
	n.write("scripts/"+nodePart, string(script), 0o700)
	n.write("scripts/runcmd", "#!/bin/sh\necho kubeadm >>\"$CAPOM_ROOT/calls\"\n", 0o700)
	n.write("run/kubeadm/kubeadm.yaml", "---\nkind: ClusterConfiguration\n---\nkind: InitConfiguration\nlocalAPIEndpoint: {}\n", 0o640)
	return n
}

func (n *testNode) mode(name string) os.FileMode {
	info, err := os.Stat(filepath.Join(n.root, name))
	if err != nil {
		return 0
	}
	return info.Mode().Perm()
}

// order gives, for each prefix, the position of the first call starting with it.
func order(g *WithT, calls []string, prefixes ...string) []int {
	positions := make([]int, 0, len(prefixes))
	for _, prefix := range prefixes {
		at := slices.IndexFunc(calls, func(call string) bool { return strings.HasPrefix(call, prefix) })
		g.Expect(at).To(BeNumerically(">=", 0), "no call %q in:\n%s", prefix, strings.Join(calls, "\n"))
		positions = append(positions, at)
	}
	return positions
}

func TestAFirstControlPlaneBootsInOrder(t *testing.T) {
	g := NewWithT(t)
	n := bootNode(t, controlPlaneInput())
	n.write("run/capom/vip-held", "", 0o600)

	n.start("scripts/" + nodePart)

	g.Eventually(func() os.FileMode { return n.mode("scripts/runcmd") }, soon).Should(Equal(os.FileMode(0o700)), n.read("output"))
	g.Eventually(func() string { return n.read("output") }, soon).Should(ContainSubstring("kubeadm may run"))
	positions := order(g, n.calls(), "swapoff", "systemctl enable --now tailscaled.service", "systemctl enable --now capom-guard.service",
		"tailscale up", "systemctl start capom-join.service", "systemctl enable --now capom-routes.service", "systemctl enable --now capom-members.service")
	g.Expect(slices.IsSorted(positions)).To(BeTrue(), "%v", n.calls())
	g.Expect(n.read("run/kubeadm/kubeadm.yaml")).To(ContainSubstring("advertiseAddress: 100.64.0.7"))
	g.Expect(n.exists("run/capom/vip-first")).To(BeTrue())
	g.Expect(n.exists(authKeyPath)).To(BeFalse())
	g.Expect(n.mode(nodeEnvPath)).To(Equal(os.FileMode(0o600)))
}

func TestKubeadmWaitsForAnUnreachableControlServerAndRunsWhenItReturns(t *testing.T) {
	g := NewWithT(t)
	n := bootNode(t, controlPlaneInput())
	n.write("run/capom/vip-held", "", 0o600)
	working := n.read("stubs/tailscale.stub")
	n.stub("tailscale", `case $1 in
version) echo 1.102.3 ;;
status) echo '{ "BackendState": "NeedsLogin" }' ;;
up) echo "key $(cat "$CAPOM_ROOT/run/capom/join/auth-key") refused" >&2; echo "timeout waiting for control server" >&2; exit 1 ;;
ip) exit 1 ;;
esac`)

	n.start("scripts/" + nodePart)

	g.Eventually(func() string { return n.read("output") }, soon).Should(And(
		ContainSubstring("Joining the tailnet failed (attempt 3): tailscale up: timeout waiting for control server"),
		ContainSubstring("kubeadm does not run before this succeeds")))
	g.Expect(n.mode("scripts/runcmd")).To(Equal(os.FileMode(0o600)))
	g.Expect(n.read(authKeyPath)).To(Equal(testKey + "\n"))
	g.Expect(n.read("output")).NotTo(ContainSubstring(testKey))

	n.stub("tailscale", working)

	g.Eventually(func() os.FileMode { return n.mode("scripts/runcmd") }, soon).Should(Equal(os.FileMode(0o700)))
	g.Expect(n.exists(authKeyPath)).To(BeFalse())
}

func TestKubeadmStaysShutWhenTheNodeScriptIsKilled(t *testing.T) {
	g := NewWithT(t)
	n := bootNode(t, controlPlaneInput())
	n.stub("swapoff", "exit 1")

	cmd := n.start("scripts/" + nodePart)
	g.Eventually(func() string { return n.read("output") }, soon).Should(ContainSubstring("Fitting the host failed"))
	g.Expect(syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)).To(Succeed())
	_ = cmd.Wait()

	g.Expect(n.mode("scripts/runcmd")).To(Equal(os.FileMode(0o600)))
}

func TestTheAuthKeyIsUsedOnlyWithoutAnIdentity(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())

	out, err := n.run("capom-join")
	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.read("calls")).To(ContainSubstring("tailscale up --hostname=demo-cp-abcde --accept-dns=false --accept-routes " +
		"--snat-subnet-routes=false --netfilter-mode=off --timeout=120s --auth-key=file:" + n.root + "/run/capom/join/auth-key"))
	n.write("calls", "", 0o644)

	out, err = n.run("capom-join", "wait")
	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.read("calls")).NotTo(ContainSubstring("tailscale up"))
}

func TestUserDataOfManyInstancesNamesEachAfterItsOCID(t *testing.T) {
	g := NewWithT(t)
	in := controlPlaneInput()
	in.HostnameOfInstance = true
	n := newTestNode(t, in)
	id := "ocid1.instance.oc1.phx.abuw4ljrlsfiqw6vzzxb43vyypt4pkodawglp3wqxjqofakrwvou52gb6s5a"
	n.write("var/lib/cloud/data/instance-id", id+"\n", 0o644)

	out, err := n.run("capom-join")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.read("calls")).To(ContainSubstring("--hostname=" + InstanceHostname(in.Hostname, id) + " "))
	g.Expect(InstanceHostname(in.Hostname, id)).To(Equal("demo-cp-abcde-wvou52gb6s5a"))
	userData, err := Render(in)
	g.Expect(err).NotTo(HaveOccurred())
	parsed, err := Parse(userData)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(parsed.HostnameOf(id)).To(Equal(InstanceHostname(in.Hostname, id)))

	in.Hostname = strings.Repeat("a", MaxHostnamePrefix+1)
	_, err = Render(in)
	g.Expect(err).To(MatchError(ContainSubstring("no room")), "no room is left for the instance's part")
}

func TestJoiningSaysWhyItFails(t *testing.T) {
	cases := map[string]struct{ state, reason string }{
		"no key left":          {"NeedsLogin", "no auth key is left"},
		"cut off at a reboot":  {"NoState", "coordination server does not answer"},
		"waiting for approval": {"NeedsMachineAuth", "waits for approval"},
		"tailscaled is down":   {"", "tailscaled does not answer"},
		"no control server":    {"Starting", "coordination server does not answer"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, controlPlaneInput())
			g.Expect(os.Remove(filepath.Join(n.root, authKeyPath))).To(Succeed())
			n.stub("tailscale", `[ "$1" != status ] || echo '{"BackendState": "`+tc.state+`"}'`)

			out, err := n.run("capom-join")

			g.Expect(err).To(HaveOccurred())
			g.Expect(out).To(ContainSubstring(tc.reason))
		})
	}
}

func TestJoiningRepeatsTheReasonThatOnlyTailscaledKnows(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.stub("tailscale", `case $1 in
status) printf '{\n  "BackendState": "NeedsLogin",\n  "Health": [\n    "You are logged out. The last login error was: register request: http 401: key \\"'"$(cat "$CAPOM_ROOT/run/capom/join/auth-key")"'\\" expired",\n    "Other"\n  ]\n}\n' ;;
up) echo 'timeout waiting for Tailscale service to enter a Running state' >&2; exit 1 ;;
ip) exit 1 ;;
esac`)

	out, err := n.run("capom-join")

	g.Expect(err).To(HaveOccurred())
	g.Expect(out).To(HaveSuffix("tailscale up: The last login error was: register request: http 401: key \"[redacted]\" expired\n"))
}

func TestAStoppedTailscaleIsBroughtUpWithoutFlagsAndWithoutTheKey(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.stub("tailscale", `case $1 in
status) if [ -e "$CAPOM_ROOT/joined" ]; then state=Running; else state=Stopped; fi; echo "{ \"BackendState\": \"$state\" }" ;;
up) [ $# -eq 1 ] && touch "$CAPOM_ROOT/joined" ;;
ip) echo 100.64.0.7 ;;
esac`)

	out, err := n.run("capom-join")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.calls()).To(ContainElement("tailscale up"))
}

func TestARebootedNodeStartsKubeletByTheNetworkMapOnItsDisk(t *testing.T) {
	g := NewWithT(t)
	n := joinedNode(t, controlPlaneInput())
	n.stub("tailscale", `case $1 in
status) echo '{ "BackendState": "Starting" }' ;;
ip) echo 100.64.0.7 ;;
esac`)

	out, err := n.run("capom-join")

	g.Expect(err).To(HaveOccurred(), "it has not joined yet: it has a key")
	g.Expect(out).To(ContainSubstring("the coordination server does not answer"))

	// A tmpfs is empty after a reboot.
	g.Expect(os.RemoveAll(filepath.Join(n.root, "run/capom/join"))).To(Succeed())
	out, err = n.run("capom-join")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(out).To(ContainSubstring("tailnet address 100.64.0.7"))
}
