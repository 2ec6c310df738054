// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
)

// apiServer sets how the local API server answers the agent's probe.
func (n *testNode) apiServer(answer string) {
	fragments := map[string]string{
		"ready":   "printf 200",
		"unready": "printf 500",
		"refused": "exit 7",
		"silent":  "exit 28",
	}
	n.stub("curl", `case "$*" in
*https://100.64.0.7:6443/readyz) `+fragments[answer]+` ;;
*api/v1/nodes/*) printf '{"spec": {"podCIDR": "10.244.3.0/24", "podCIDRs": ["10.244.3.0/24"]}}' ;;
esac`)
}

func (n *testNode) lastRoutes() string {
	last := ""
	for _, call := range n.calls() {
		if routes, ok := strings.CutPrefix(call, "tailscale set --advertise-routes="); ok {
			last = routes
		}
	}
	return last
}

// holds tells whether the VIP is on lo: the last thing done to it was adding it.
func (n *testNode) holds() bool {
	calls := n.read("calls")
	return strings.LastIndex(calls, "ip addr replace 10.250.0.1/32 dev lo") > strings.LastIndex(calls, "ip addr del 10.250.0.1/32 dev lo")
}

func joinedNode(t *testing.T, in Input) *testNode {
	t.Helper()
	n := newTestNode(t, in)
	n.write("joined", "", 0o644)
	return n
}

func TestAJoiningControlPlaneHoldsTheAddressOnlyWhenItsAPIServerIsReady(t *testing.T) {
	for _, answer := range []string{"refused", "silent", "unready"} {
		t.Run(answer, func(t *testing.T) {
			g := NewWithT(t)
			n := joinedNode(t, controlPlaneInput())
			n.apiServer(answer)

			n.start(scriptsDir+"/capom-routes", "run")

			g.Eventually(func() int { return strings.Count(n.read("calls"), "/readyz") }, soon).Should(BeNumerically(">", 5))
			g.Expect(n.read("calls")).NotTo(ContainSubstring("ip addr replace"))
			g.Expect(n.lastRoutes()).To(BeEmpty())

			n.apiServer("ready")
			g.Eventually(n.holds, soon).Should(BeTrue())
			g.Eventually(n.lastRoutes, soon).Should(Equal("10.250.0.1/32"))

			n.apiServer(answer)
			g.Eventually(n.holds, soon).Should(BeFalse())
			g.Eventually(n.lastRoutes, soon).Should(BeEmpty())
		})
	}
}

func TestOneFailedProbeDoesNotMoveTheAddress(t *testing.T) {
	g := NewWithT(t)
	n := joinedNode(t, controlPlaneInput())
	n.stub("curl", `echo x >>"$CAPOM_ROOT/probes"
[ $(($(wc -l <"$CAPOM_ROOT/probes") % 3)) -ne 0 ] && printf 200 || printf 500`)

	n.start(scriptsDir+"/capom-routes", "run")

	g.Eventually(func() int { return strings.Count(n.read("probes"), "x") }, soon).Should(BeNumerically(">", 9))
	g.Expect(n.holds()).To(BeTrue())
	g.Expect(n.read("calls")).NotTo(ContainSubstring("ip addr del"))
}

func TestAnAPIServerThatIsGoneOrHangsIsAskedAgainSooner(t *testing.T) {
	for answer, sooner := range map[string]bool{"refused": true, "silent": true, "unready": false} {
		t.Run(answer, func(t *testing.T) {
			g := NewWithT(t)
			n := joinedNode(t, controlPlaneInput())
			n.write("stubs/sleep", stubScript, 0o755)
			n.stub("sleep", `exec /bin/sleep "$1"`)
			n.apiServer("ready")
			n.start(scriptsDir+"/capom-routes", "run")
			g.Eventually(n.holds, soon).Should(BeTrue())
			g.Expect(n.read("calls")).NotTo(ContainSubstring("sleep 0.04"))

			n.apiServer(answer)
			g.Eventually(n.holds, soon).Should(BeFalse())
			g.Expect(strings.Contains(n.read("calls"), "sleep 0.04")).To(Equal(sooner))
		})
	}
}

func TestTheFirstControlPlaneHoldsTheAddressBeforeInitAndIsGatedAfterwards(t *testing.T) {
	g := NewWithT(t)
	n := joinedNode(t, controlPlaneInput())
	n.write("run/capom/vip-first", "", 0o600)
	n.apiServer("refused")

	n.start(scriptsDir+"/capom-routes", "run")
	out, err := n.run("capom-routes", "wait-held")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.holds()).To(BeTrue())

	n.apiServer("ready")
	g.Eventually(func() bool { return n.exists("run/capom/vip-first") }, soon).Should(BeFalse())
	n.apiServer("refused")
	g.Eventually(n.holds, soon).Should(BeFalse())
}

func TestTheAddressIsWithdrawnWhenTheAgentStops(t *testing.T) {
	g := NewWithT(t)
	n := joinedNode(t, controlPlaneInput())
	n.apiServer("ready")
	cmd := n.start(scriptsDir+"/capom-routes", "run")
	g.Eventually(n.lastRoutes, soon).Should(Equal("10.250.0.1/32"))

	g.Expect(cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
	g.Expect(cmd.Wait()).To(Succeed())

	g.Expect(n.holds()).To(BeFalse())
	g.Expect(n.lastRoutes()).To(BeEmpty())
}

func TestTheAddressIsWithdrawnWhenTheAgentWasKilled(t *testing.T) {
	g := NewWithT(t)
	n := joinedNode(t, controlPlaneInput())
	n.apiServer("ready")
	cmd := n.start(scriptsDir+"/capom-routes", "run")
	g.Eventually(n.lastRoutes, soon).Should(Equal("10.250.0.1/32"))
	g.Expect(syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)).To(Succeed())
	_ = cmd.Wait()

	out, err := n.run("capom-routes", "withdraw")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.holds()).To(BeFalse())
	g.Expect(n.lastRoutes()).To(BeEmpty())
}

func TestInTailnetRoutesModeAddressAndPodCIDRAreOneSet(t *testing.T) {
	cases := map[string]struct {
		controlPlane bool
		ready        string
		want         string
	}{
		"worker":                   {false, "refused", "10.244.3.0/24"},
		"ready control plane":      {true, "ready", "10.250.0.1/32,10.244.3.0/24"},
		"control plane, not ready": {true, "refused", "10.244.3.0/24"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := controlPlaneInput()
			in.ControlPlane = tc.controlPlane
			in.PodNetwork.Mode = PodNetworkTailnetRoutes
			n := joinedNode(t, in)
			n.apiServer(tc.ready)
			n.stub("openssl", `printf 'subject=\n    organizationName = system:nodes\n    commonName = system:node:w-1\n'`)

			n.start(scriptsDir+"/capom-routes", "run")
			n.write("var/lib/kubelet/pki/kubelet-client-current.pem", "", 0o600)

			g.Eventually(n.lastRoutes, soon).Should(Equal(tc.want))
			g.Expect(n.read("calls")).To(ContainSubstring("https://10.250.0.1:6443/api/v1/nodes/w-1"))
		})
	}
}
