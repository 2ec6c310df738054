// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
)

func TestANodeGetsTheVersionsThatItsNodeAsksFor(t *testing.T) {
	for name, tc := range map[string]struct {
		in                            func(*Input)
		wanted, kubernetes, tailscale string
		effects                       string
	}{
		"a control plane's patch": {nil, "v1.36.2 -", "v1.36.2", "1.102.3",
			"dpkg configure;apt-mark hold;apt-get install;apt-mark hold;systemctl leave;kubeadm upgrade;apt-get install;apt-mark hold;systemctl restart"},
		"a worker's": {func(in *Input) { in.ControlPlane, in.Endpoint.VIP = false, false }, "v1.36.2 1.102.3", "v1.36.2", "1.102.3",
			"dpkg configure;apt-mark hold;apt-get install;apt-mark hold;kubeadm upgrade;apt-get install;apt-mark hold;systemctl restart"},
		"tailscale's alone": {nil, "v1.36.1 1.104.0", "v1.36.1", "1.104.0", "dpkg configure;systemctl leave;apt-get install;apt-mark hold"},
		"nothing new":       {nil, "v1.36.1 1.102.3", "v1.36.1", "1.102.3", ""},
		"nothing at all":    {nil, "", "v1.36.1", "1.102.3", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			n := updatedNode(t, tc.in)
			n.wants(tc.wanted)

			out, err := n.round()

			g.Expect(err).NotTo(HaveOccurred(), out)
			if tc.kubernetes == "v1.36.1" {
				n.write("world/pods", tc.kubernetes, 0o644)
			}
			n.expectUpdated(g, tc.kubernetes, tc.tailscale)
			wanted := tc.wanted
			if wanted == "" {
				wanted = "v1.36.1 1.102.3"
			}
			g.Expect(n.world("reported")).To(Equal(wanted + " done"))
			var effects []string
			for line := range strings.Lines(n.read("world/effects")) {
				if !strings.HasPrefix(line, "curl ") {
					effects = append(effects, strings.TrimSpace(line))
				}
			}
			g.Expect(strings.Join(effects, ";")).To(Equal(tc.effects))

			before := n.read("world/effects")
			out, err = n.round()
			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.read("world/effects")).To(Equal(before), "a second round has nothing to do and nothing to say")
		})
	}
}

func TestTheNextMinorVersionComesFromItsOwnRepository(t *testing.T) {
	requireTool(t, "gpg", "gpg")
	const ubuntu, oracle = "ID=ubuntu\nVERSION_CODENAME=noble\n", "ID=ol\nVERSION_ID=9.5\n"
	const ubuntuList, oracleList = "etc/apt/sources.list.d/kubernetes.list", "etc/yum.repos.d/kubernetes.repo"
	const ubuntuWant, oracleWant = "https://pkgs.k8s.io/core:/stable:/v1.37/deb/ /", "baseurl=https://pkgs.k8s.io/core:/stable:/v1.37/rpm/"
	const ours = "signed by /etc/apt/keyrings/kubernetes.gpg or /etc/pki/rpm-gpg/RPM-GPG-KEY-capom-kubernetes"
	for name, tc := range map[string]struct{ release, list, before, want string }{
		"Ubuntu":                            {ubuntu, ubuntuList, ours, ubuntuWant},
		"Oracle Linux":                      {oracle, oracleList, ours, oracleWant},
		"Ubuntu, whose list is empty":       {ubuntu, ubuntuList, "", ubuntuWant},
		"Oracle Linux, whose list is empty": {oracle, oracleList, "", oracleWant},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			n := updatedNode(t, nil)
			n.keys("known.asc")
			key := n.read("stubs/curl.stub")
			n.stub("curl", updateWorld+`case "$*" in *kubelet-client-current.pem*) `+updateStubs["curl"]+` ;; *) `+key+` ;; esac`)
			n.stub("dnf", updateWorld+`case "$*" in *--downloadonly*) exit 0 ;; esac
for word; do case $word in kube*-1.*) echo "v${word#*-}" >"$world/${word%%-*}" ;; esac; done`)
			n.write("etc/os-release", tc.release, 0o644)
			n.write(tc.list, tc.before, 0o644)
			n.stub("sync", `[ -e "$CAPOM_ROOT/room" ] || { echo "$1: No space left on device"; exit 1; }`)
			n.write("world/kubeadm-config", "v1.37.0\n", 0o644)
			n.wants("v1.37.0 -")
			out, err := n.round()
			g.Expect(err).To(HaveOccurred(), out)
			g.Expect(n.world("reported")).To(HaveSuffix("No space left on device"))
			g.Expect(n.read(tc.list)).To(Equal(tc.before), "a disk that is full leaves it as it was")
			n.write("room", "", 0o644)

			out, err = n.round()

			g.Expect(err).NotTo(HaveOccurred(), out)
			n.expectUpdated(g, "v1.37.0", "1.102.3")
			g.Expect(n.read(tc.list)).To(ContainSubstring(tc.want))
		})
	}
}

func TestANodeSaysWhyItDoesNotChangeAVersionAndStaysAsItIs(t *testing.T) {
	worker := func(in *Input) { in.ControlPlane, in.Endpoint.VIP = false, false }
	for name, tc := range map[string]struct {
		in     func(*Input)
		wanted string
		world  map[string]string
		want   string
	}{
		"the repository lacks the version": {nil, "v1.36.2 -", map[string]string{"repository": "1.36.1"},
			"v1.36.2 - failed Kubernetes 1.36.2 cannot be installed from https://pkgs.k8s.io/core:/stable:/v1.36/deb/"},
		"a command":                          {nil, "v1.36.2;reboot -", nil, "failed these are not two versions"},
		"an option":                          {nil, "--help -", nil, "failed these are not two versions"},
		"three":                              {nil, "v1.36.2 - v1.36.3", nil, "failed these are not two versions"},
		"options behind a line end":          {nil, `v1.36.2 -oDPkg::Pre-Invoke::=reboot v1\nv1.36.2 -`, nil, "failed these are not two versions"},
		"a path":                             {nil, "v1.36.2/../.. -", nil, "failed these are not two versions"},
		"an older version":                   {nil, "v1.36.0 -", nil, "v1.36.1 cannot become v1.36.0"},
		"a minor version too far":            {nil, "v1.38.0 -", nil, "v1.36.1 cannot become v1.38.0"},
		"another major version":              {nil, "v2.36.2 -", nil, "v1.36.1 cannot become v2.36.2"},
		"an older tailscale":                 {nil, "v1.36.1 1.98.4", nil, "tailscale 1.102.3, of source package, cannot become 1.98.4"},
		"a tailscale of the image":           {func(in *Input) { in.Tailscale.Source = TailscaleImage }, "v1.36.1 1.104.0", nil, "of source image, cannot become 1.104.0"},
		"an image without packages":          {nil, "v1.36.2 -", map[string]string{"no-packages": ""}, "kubeadm is of no package"},
		"nobody else at the virtual address": {nil, "v1.36.2 -", map[string]string{"alone": ""}, "no other control plane answers at 10.250.0.1"},
		"a version that the control plane does not have": {nil, "v1.36.3 -", nil, "kubeadm-config has v1.36.2, not v1.36.3"},
		"a worker ahead of the API server":               {worker, "v1.36.3 -", nil, "the API server has v1.36.2, and kubelet must not be newer"},
		"kubeadm fails": {nil, "v1.36.2 -", map[string]string{"kubeadm-fails": ""},
			"v1.36.2 - failed kubeadm upgrade node: error: error execution phase control-plane: the etcd pod"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			n := updatedNode(t, tc.in)
			for file, content := range tc.world {
				n.write("world/"+file, content+"\n", 0o644)
			}
			n.wants(tc.wanted)

			out, err := n.round()

			g.Expect(err).To(HaveOccurred(), out)
			g.Expect(n.world("reported")).To(ContainSubstring(tc.want), out)
			g.Expect(n.exists("world/left")).To(BeFalse(), "it serves at the virtual address again")
			g.Expect(n.read("etc/capom/node.env")).To(ContainSubstring("CAPOM_KUBERNETES_VERSION='v1.36.1'\n"))
			for _, unchanged := range []string{"kubelet", "running", "pods"} {
				g.Expect(n.world(unchanged)).To(Equal("v1.36.1"), unchanged)
			}

			// What was missing comes.
			n.lacksNothing()
			n.wants("v1.36.2 -")
			out, err = n.round()
			g.Expect(err).NotTo(HaveOccurred(), out)
			n.expectUpdated(g, "v1.36.2", n.world("tailscale"))
			g.Expect(n.world("reported")).To(Equal("v1.36.2 - done"))
		})
	}
}

func TestANodeFetchesItsPackagesBeforeItIsToChangeAVersion(t *testing.T) {
	g := NewWithT(t)
	n := updatedNode(t, func(in *Input) { in.ControlPlane, in.Endpoint.VIP = false, false })
	n.write("world/repository", "1.36.1\n", 0o644)
	n.wants("v1.36.2 - reboot")
	out, err := n.round()
	g.Expect(err).To(HaveOccurred(), out)
	g.Expect(n.world("reported")).To(HaveSuffix("failed these are not two versions"))
	n.wants("v1.36.2 - fetch")
	out, err = n.round()
	g.Expect(err).To(HaveOccurred(), out)
	g.Expect(n.world("reported")).To(HavePrefix("v1.36.2 - fetch failed Kubernetes 1.36.2 cannot be installed from "))

	n.write("world/repository", "1.36.2\n", 0o644)
	for range 2 {
		out, err = n.round()
		g.Expect(err).NotTo(HaveOccurred(), out)
		g.Expect(n.world("reported")).To(Equal("v1.36.2 - fetch done"))
	}
	g.Expect(strings.Count(strings.Join(n.calls(), ";"), " install -d ")).To(Equal(2), "what is fetched is not fetched again")
	n.write("world/pods", "v1.36.1\n", 0o644)
	n.expectUpdated(g, "v1.36.1", "1.102.3")

	n.wants("v1.36.2 -")
	out, err = n.round()
	g.Expect(err).NotTo(HaveOccurred(), out)
	n.expectUpdated(g, "v1.36.2", "1.102.3")
	g.Expect(n.world("reported")).To(Equal("v1.36.2 - done"))
}

func TestANodeThatDiesAtAnyStepGoesOnWithIt(t *testing.T) {
	whole := updatedNode(t, nil)
	whole.wants("v1.36.2 1.104.0")
	out, err := whole.round()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), out)
	steps := strings.Count(whole.read("world/effects"), "\n")
	NewWithT(t).Expect(steps).To(BeNumerically(">", 10))
	for step := 1; step <= steps; step++ {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			n := updatedNode(t, nil)
			n.wants("v1.36.2 1.104.0")
			n.write("world/dies-at", strconv.Itoa(step), 0o644)
			out, err := n.round()
			g.Expect(err).To(MatchError("signal: killed"), out)

			n.reboots()
			out, err = n.round()

			g.Expect(err).NotTo(HaveOccurred(), out)
			n.expectUpdated(g, "v1.36.2", "1.104.0")
			g.Expect(n.world("reported")).To(Equal("v1.36.2 1.104.0 done"))
		})
	}
}

func TestAVersionThatChangesInTheMiddleIsTheOneThatCounts(t *testing.T) {
	g := NewWithT(t)
	n := updatedNode(t, nil)
	n.write("world/kubeadm-config", "v1.37.0\n", 0o644)
	n.write("world/kubeadm-fails", "", 0o644)
	n.wants("v1.37.0 -")
	_, err := n.round()
	g.Expect(err).To(HaveOccurred())

	n.write("world/kubeadm-config", "v1.36.2\n", 0o644)
	n.wants("v1.36.2 -")
	_, err = n.round()
	g.Expect(err).To(HaveOccurred())
	g.Expect(n.world("reported")).To(ContainSubstring("v1.37.0 cannot become v1.36.2"), "etcd may be a newer one by now")

	_ = os.Remove(filepath.Join(n.root, "world/kubeadm-fails"))
	n.write("world/repository", "1.37.1\n", 0o644)
	n.write("world/kubeadm-config", "v1.37.1\n", 0o644)
	n.wants("v1.37.1 -")
	out, err := n.round()
	g.Expect(err).NotTo(HaveOccurred(), out)
	n.expectUpdated(g, "v1.37.1", "1.102.3")
}

func TestANodeDoesNothingWhileItsNodeCannotBeRead(t *testing.T) {
	for name, world := range map[string]func(*testNode){
		"the API server does not answer": func(n *testNode) { n.write("world/no-api", "", 0o644) },
		"kubeadm has not run yet": func(n *testNode) {
			_ = os.Remove(filepath.Join(n.root, "var/lib/kubelet/pki/kubelet-client-current.pem"))
		},
		"the certificate names no node": func(n *testNode) { n.stub("openssl", "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			n := updatedNode(t, nil)
			n.wants("v1.36.2 -")
			n.write("world/left", "", 0o644)
			n.write("run/capom/left", "", 0o644)
			world(n)
			out, _ := n.round()
			g.Expect(n.read("world/effects")).To(BeEmpty(), out)
			if name == "the API server does not answer" {
				g.Expect(n.exists("world/left")).To(BeFalse(), "it serves at the virtual address")
				_ = os.Remove(filepath.Join(n.root, "world/no-api"))
				out, err := n.round()
				g.Expect(err).NotTo(HaveOccurred(), out)
				n.expectUpdated(g, "v1.36.2", "1.102.3")
			}
		})
	}
}

func TestWhatFailsOnANodeIsTriedAgainSoonAndThenSeldom(t *testing.T) {
	g := NewWithT(t)
	n := updatedNode(t, nil)
	n.write("stubs/sleep", `#!/bin/sh
echo "$1" >>"$CAPOM_ROOT/world/sleeps"
[ "$(wc -l <"$CAPOM_ROOT/world/sleeps")" != 6 ] || rm "$CAPOM_ROOT/world/kubeadm-fails"
exec /bin/sleep 0.01
`, 0o755)
	n.write("world/kubeadm-fails", "", 0o644)
	n.wants("v1.36.2 -")
	n.start(filepath.Join(scriptsDir, "capom-update"), "run")
	reported := func() string { return n.world("reported") }
	g.Eventually(reported, "1m", "20ms").Should(Equal("v1.36.2 - done"))
	g.Eventually(func() string { return n.world("sleeps") }, "30s", "20ms").
		Should(HavePrefix("60\n120\n240\n300\n300\n300\n30\n"))
}

func TestPatchesOfTheFirstBootAreKeptByAnUpdate(t *testing.T) {
	g := NewWithT(t)
	n := updatedNode(t, nil)
	n.write("etc/kubernetes/patches/etcd.yaml", "spec: {}\n", 0o640)
	n.start(filepath.Join(scriptsDir, "capom-update"), "run")
	reported := func() string { return n.world("reported") }
	g.Eventually(reported, "30s", "20ms").Should(HaveSuffix(" done"))
	n.wants("v1.36.2 -")
	g.Eventually(reported, "30s", "20ms").Should(Equal("v1.36.2 - done"))
	g.Expect(n.calls()).To(ContainElement("kubeadm upgrade node --patches=/etc/kubernetes/patches --skip-phases=addon"))
}

func TestChecksPassedOverAtTheFirstBootArePassedOverByAnUpdate(t *testing.T) {
	g := NewWithT(t)
	n := updatedNode(t, nil)
	n.write("run/kubeadm/kubeadm-join-config.yaml", `kind: JoinConfiguration
nodeRegistration:
  ignorePreflightErrors:
  - SystemVerification
  - Swap
  kubeletExtraArgs:
  - name: v
    value: "2"
`, 0o600)
	ignored := n.root + "/etc/capom/ignored"
	out, err := n.round()
	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.calls()).To(ContainElement("sync "+ignored+".new"), "a reset may come at any time")
	kept, err := os.Stat(ignored)
	g.Expect(err).NotTo(HaveOccurred())
	out, err = n.round()
	g.Expect(err).NotTo(HaveOccurred(), out)
	after, err := os.Stat(ignored)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.SameFile(kept, after)).To(BeTrue(), "a second round has nothing to write")
	g.Expect(os.RemoveAll(filepath.Join(n.root, "run/kubeadm"))).To(Succeed(), "as a reboot does")
	n.reboots()
	n.wants("v1.36.2 -")

	out, err = n.round()

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.calls()).To(ContainElement("kubeadm upgrade node --ignore-preflight-errors=SystemVerification --ignore-preflight-errors=Swap --skip-phases=addon"))
}

func TestOnlyAMachineWithTheAgentGetsIt(t *testing.T) {
	g := NewWithT(t)
	for _, agent := range []bool{false, true} {
		in := controlPlaneInput()
		in.Agent = agent
		userData, err := Render(in)
		g.Expect(err).NotTo(HaveOccurred())
		parsed, err := Parse(userData)
		g.Expect(err).NotTo(HaveOccurred())
		for _, name := range []string{
			"usr/local/sbin/capom-update", "usr/local/sbin/capom-grow", "etc/systemd/system/capom-update.service", "etc/systemd/system/kubelet.service.d/30-capom-update.conf",
		} {
			g.Expect(parsed.Files[name] != nil).To(Equal(agent), name)
		}
	}
}

func TestTwoRoundsAtOnceUpdateANodeOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	n := updatedNode(t, nil)
	n.wants("v1.36.2 -")
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { _, _ = n.round() })
	}
	both.Wait()
	n.expectUpdated(g, "v1.36.2", "1.102.3")
	g.Expect(strings.Count(n.read("world/effects"), "kubeadm upgrade")).To(Equal(1))
}

// OCI resets a machine at once. XFS may then have an empty file where one was written, or renamed,
// just before.
func TestWhatANodeHasToKnowAfterAResetIsOnItsDiskFirst(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	n := updatedNode(t, nil)
	n.wants("v1.36.2 -")
	begun, settings := n.root+"/etc/capom/begun", n.root+"/etc/capom/node.env"
	g.Expect(os.Chmod(settings, 0o600)).To(Succeed())
	n.write("stubs/mv", stubScript, 0o755)
	n.stub("mv", `cat "$1" >>"$CAPOM_ROOT/moved"; exec /bin/mv "$@"`)

	out, err := n.round()

	g.Expect(err).NotTo(HaveOccurred(), out)
	calls := n.calls()
	at := func(call string) int { return slices.Index(calls, call) }
	installed := slices.IndexFunc(calls, func(call string) bool {
		return strings.HasPrefix(call, "apt-get") && strings.Contains(call, "kubeadm=") && !strings.Contains(call, " -d ")
	})
	synced, moved := at("sync "+begun+".new"), at("mv "+begun+".new "+begun)
	g.Expect([]int{0, synced, moved, installed}).To(Equal(slices.Sorted(slices.Values([]int{0, synced, moved, installed}))), "%v", calls)
	synced, moved = at("sync "+settings+".new"), at("mv "+settings+".new "+settings)
	g.Expect([]int{installed, synced, moved}).To(Equal(slices.Sorted(slices.Values([]int{installed, synced, moved}))), "%v", calls)
	g.Expect(n.read("moved")).To(And(HavePrefix("v1.36.2\n"), ContainSubstring("CAPOM_KUBERNETES_VERSION='v1.36.2'\n")))
	info, err := os.Stat(settings)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode().Perm()).To(BeEquivalentTo(0o600))
}
