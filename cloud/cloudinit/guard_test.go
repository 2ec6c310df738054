// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestTheGuardsPutBackOnlyWhatIsMissing(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.groups("system.slice")
	n.tables()
	n.policyRules()
	out, err := n.run("capom-guard", "once")
	g.Expect(err).NotTo(HaveOccurred(), out)
	n.write("calls", "", 0o644)

	out, err = n.run("capom-guard", "again")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.read("calls")).NotTo(MatchRegexp(`ip -[46] rule (add|del)`))
	g.Expect(n.calls()).NotTo(ContainElement(HavePrefix("nft -f")))
	g.Expect(n.calls()).To(ContainElement("sysctl -q -w net.ipv4.conf.all.src_valid_mark=0"))
}

// groups makes control groups of version 2; the first holds all others.
func (n *testNode) groups(names ...string) {
	n.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n", 0o644)
	for _, name := range names {
		n.write("sys/fs/cgroup/"+name+"/cgroup.procs", "", 0o644)
	}
}

// tables has nft keep its input in "table" and list it.
func (n *testNode) tables() {
	n.stub("nft", `case $1 in -f) cp "$2" "$CAPOM_ROOT/table" ;; list) cat "$CAPOM_ROOT/table" ;; esac`)
}

// policyRules has ip keep rules and list them, but for those whose words are refused.
func (n *testNode) policyRules(refused ...string) {
	var refusals strings.Builder
	for _, rule := range refused {
		refusals.WriteString(`*" rule add pref "*"` + rule + `") echo "RTNETLINK answers: Invalid argument" >&2; exit 2 ;;` + "\n")
	}
	n.stub("ip", `case "$*" in
`+refusals.String()+`*" rule add pref "*) echo "$*" >>"$CAPOM_ROOT/rules$1" ;;
*" rule show") [ ! -e "$CAPOM_ROOT/rules$2" ] || sed 's/.* pref \(....\) /\1:\t/' "$CAPOM_ROOT/rules$2" ;;
esac`)
}

func TestTheWatchTellsARefusalOnceAndItsEnd(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.groups("system.slice")
	n.tables()
	n.policyRules("to 169.254.0.0/16 lookup 254")
	out, err := n.run("capom-guard", "once")
	g.Expect(err).To(HaveOccurred(), out)
	n.write("calls", "", 0o644)
	tries := func() int { return strings.Count(n.read("calls"), "rule add pref 5203 from all to 169.254.0.0/16") }

	n.start(scriptsDir+"/capom-guard", "watch")

	g.Eventually(tries, soon).Should(BeNumerically(">=", 3))
	g.Expect(strings.Count(n.read("output"), "to 169.254.0.0/16 lookup 254: RTNETLINK answers: Invalid argument")).To(Equal(1), n.read("output"))
	n.policyRules()
	g.Eventually(func() string { return n.read("output") }, soon).Should(ContainSubstring("guards: in place"))
}

func TestTheMetadataServiceIsForTheSystemAndRootsSessions(t *testing.T) {
	cases := map[string]struct {
		node    func(*testNode)
		readers string
		weaker  bool
	}{
		"control groups of version 2": {
			node:    func(n *testNode) { n.groups("system.slice", "user.slice") },
			readers: `socket cgroupv2 level 1 "system.slice" return` + "\n" + `socket cgroupv2 level 1 "user.slice" meta skuid 0 return`,
		},
		"nobody has logged in": {
			node:    func(n *testNode) { n.groups("system.slice") },
			readers: `socket cgroupv2 level 1 "system.slice" return`,
		},
		"both versions": {
			node:    func(n *testNode) { n.write("sys/fs/cgroup/unified/system.slice/cgroup.procs", "", 0o644) },
			readers: `socket cgroupv2 level 1 "unified/system.slice" return`,
		},
		"control groups of version 1": {
			node:    func(n *testNode) { n.write("sys/fs/cgroup/cpu/system.slice/cgroup.procs", "", 0o644) },
			readers: "meta skuid 0 return", weaker: true,
		},
		"a kernel that does not know sockets' groups": {
			node: func(n *testNode) {
				n.groups("system.slice")
				n.stub("nft", `case $1 in -f) cp "$2" "$CAPOM_ROOT/table"; ! grep -q cgroupv2 "$CAPOM_ROOT/table" ;; esac`)
			},
			readers: "meta skuid 0 return", weaker: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, controlPlaneInput())
			n.tables()
			tc.node(n)

			out, err := n.run("capom-guard", "once")

			g.Expect(err).NotTo(HaveOccurred(), out)
			_, chain, _ := strings.Cut(n.read("table"), "chain metadata {\n")
			chain, _, _ = strings.Cut(chain, " }\n chain")
			var rules []string
			for line := range strings.Lines(chain) {
				rule, _, _ := strings.Cut(strings.TrimSpace(line), " # ")
				rules = append(rules, rule)
			}
			g.Expect(strings.Join(rules, "\n")).To(Equal("udp dport { 53, 67, 123 } return\ntcp dport 53 return\n" + tc.readers + "\ndrop"))
			g.Expect(strings.Contains(out, "pods of the host's network that run as root reach the metadata service")).To(Equal(tc.weaker), out)
		})
	}
}

func TestAGroupThatIsMadeAnewIsPutIntoTheTable(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.groups("system.slice")
	n.tables()
	out, err := n.run("capom-guard", "once")
	g.Expect(err).NotTo(HaveOccurred(), out)
	for _, change := range []func(){
		func() { n.groups("user.slice") },
		func() {
			// The old folder stays, so the new one has another number.
			g.Expect(os.Rename(filepath.Join(n.root, "sys/fs/cgroup/user.slice"), filepath.Join(n.root, "old"))).To(Succeed())
			n.groups("user.slice")
		},
	} {
		change()
		n.write("calls", "", 0o644)

		out, err = n.run("capom-guard", "again")

		g.Expect(err).NotTo(HaveOccurred(), out)
		g.Expect(n.calls()).To(ContainElement(HavePrefix("nft -f")))
		g.Expect(n.read("table")).To(ContainSubstring(`"user.slice"`))
	}
}

func TestTheFirstRoundIsTriedUntilItSucceeds(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.stub("nft", `[ -e "$CAPOM_ROOT/repaired" ] || { echo "netlink: no" >&2; exit 1; }`)

	n.start(scriptsDir+"/capom-guard", "first")

	g.Eventually(func() string { return n.read("output") }, soon).Should(ContainSubstring("Guarding the tailnet's packets failed (attempt 3): netlink: no"))
	g.Expect(n.read("output")).NotTo(ContainSubstring("run as root"), "nothing is loaded, not even the weaker rules")
	n.write("repaired", "", 0o644)
	g.Eventually(func() string { return n.read("output") }, soon).Should(ContainSubstring("Guarding the tailnet's packets: done"))
}

func TestRoundsDoNotRunAtOnce(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.groups("system.slice")
	// A run that finds another one loading fails; otherwise it would load the weaker rules.
	n.stub("nft", `case $1 in -f) mkdir "$CAPOM_ROOT/loading" || exit 1; sleep 0.1; cp "$2" "$CAPOM_ROOT/table"; rmdir "$CAPOM_ROOT/loading" ;; esac`)
	guard := filepath.Join(n.root, scriptsDir, "capom-guard")
	cmd := exec.Command("sh", "-c", "for round in 1 2 3 4; do "+guard+" once & done; wait")
	cmd.Env = n.command(guard).Env

	out, err := cmd.CombinedOutput()

	g.Expect(err).NotTo(HaveOccurred(), string(out))
	g.Expect(string(out)).NotTo(ContainSubstring("run as root"))
	g.Expect(n.read("table")).To(ContainSubstring("cgroupv2"))
}

// inKernel runs a shell script in namespaces of its own, where the guard meets the real nft, ip and
// sysctl. The script finds the guard in $guard.
func (n *testNode) inKernel(script string, unshared ...string) (string, error) {
	n.t.Helper()
	requireTool(n.t, "nft", "nftables")
	unshare := requireNamespaces(n.t, unshared...)
	n.real("nft", "ip", "sysctl", "mount", "ln", "nsenter", "setpriv", "unshare")
	guard := n.command(filepath.Join(scriptsDir, "capom-guard"))
	cmd := exec.Command(unshare, append(unshared, "sh", "-euc", script)...)
	cmd.Env = append(guard.Env, "guard="+guard.Path)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestTheKernelTakesTheGuards(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())

	out, err := n.inKernel("$guard once && $guard once && nft list table inet capom && ip -4 rule show", "-n", "-r")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(out).To(ContainSubstring(`iifname "en*" ip saddr 100.64.0.0/10 drop`))
	g.Expect(strings.Count(out, "to 100.64.0.0/10 lookup 52")).To(Equal(1), "a second run adds no second rule")
}

func TestWhateverIsChangedInTheTableIsPutBack(t *testing.T) {
	cases := map[string]string{
		"the table is gone":           "nft delete table inet capom",
		"everything is gone":          "nft flush ruleset",
		"the table is empty":          "nft flush table inet capom",
		"a chain is empty":            "nft flush chain inet capom metadata",
		"a rule is gone":              `nft delete rule inet capom input handle "$(nft -a list chain inet capom input | sed -n 's/.*lxc.* handle //p')"`,
		"a rule is put ahead":         "nft insert rule inet capom forward accept",
		"another chain is put before": "nft 'add chain inet capom x { type filter hook forward priority -400; policy drop; }'",
		"nothing":                     "true",
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, controlPlaneInput())
			list := "nft list table inet capom"

			out, err := n.inKernel(`$guard once >/dev/null
`+list+` >"$CAPOM_ROOT/before"
`+damage+`
$guard again
`+list+` >"$CAPOM_ROOT/after"`, "-n", "-r")

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.read("before")).To(ContainSubstring("chain metadata"))
			g.Expect(n.read("after")).To(Equal(n.read("before")))
			g.Expect(strings.Contains(out, "restored")).To(Equal(name != "nothing"), out)
		})
	}
}

// metadataScript sends to addresses of the cloud, another network namespace, from control groups;
// the guard's groups exist when it starts, kubelet's does not. Nothing listens: a packet that gets
// out is refused at once, a dropped one is not answered. The kernel gives a connection up after one
// more try, so that no clock of the test's can take a slow machine's refusal for silence.
const metadataScript = `
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p "$CAPOM_ROOT/sys/fs"
ln -s /sys/fs/cgroup "$CAPOM_ROOT/sys/fs/cgroup"
mkdir -p /sys/fs/cgroup/system.slice/a.service /sys/fs/cgroup/user.slice/a.scope
ip link add ens3 type veth peer name cloud
unshare -n sleep 600 &
cloud=$!
trap 'kill $cloud' EXIT
while [ "$(readlink /proc/$cloud/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
ip link set cloud netns $cloud
nsenter --net=/proc/$cloud/ns/net ip link set cloud up
nsenter --net=/proc/$cloud/ns/net sh -euc 'ip addr add 169.254.169.254/16 dev cloud; ip addr add 169.254.0.2/16 dev cloud
ip addr add fd00:c1::a9fe:a9fe/64 dev cloud nodad'
ip addr add 169.254.1.1/16 dev ens3
ip addr add fd00:c1::1/64 dev ens3 nodad
ip link set ens3 up
sysctl -qw net.ipv4.tcp_syn_retries=1
$guard once
mkdir -p /sys/fs/cgroup/kubepods.slice/pod.slice/a.scope /sys/fs/cgroup/kubepods/pod/a
asked=0
ask() {
	asked=$((asked + 1))
	LC_ALL=C sh -c 'echo $$ >/sys/fs/cgroup/$1/cgroup.procs; exec setpriv --reuid=$2 --clear-groups bash -c "</dev/tcp/$3"' - $2 $3 $4 >"$CAPOM_ROOT/answer-$asked" 2>&1 &
	echo "$! $asked $1" >>"$CAPOM_ROOT/asked"
}
told() {
	while read -r pid nth who; do
		wait $pid || :
		case $(cat "$CAPOM_ROOT/answer-$nth") in
		*": Connection refused") echo "$who: reached" ;;
		*": Connection timed out") echo "$who: dropped" ;;
		*) echo "$who: $(cat "$CAPOM_ROOT/answer-$nth")" ;;
		esac
	done <"$CAPOM_ROOT/asked"
	rm "$CAPOM_ROOT/asked"
}
`

func newerThan(t *testing.T, major, minor int) bool {
	t.Helper()
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	var x, y int
	if _, err := fmt.Sscanf(string(release), "%d.%d", &x, &y); err != nil {
		t.Fatal(err)
	}
	return x > major || x == major && y >= minor
}

// inGroups runs metadataScript and the script after it in namespaces with a root control group of
// their own.
func (n *testNode) inGroups(script string) string {
	n.t.Helper()
	requireTool(n.t, "setpriv", "util-linux")
	if !newerThan(n.t, 6, 11) {
		n.t.Skip("NOT CHECKED: before Linux 6.11 nftables counts levels from the real root of all groups")
	}
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(root + "/cgroup.controllers"); err != nil {
		root += "/unified"
	}
	group, err := os.MkdirTemp(root, "capom-test-")
	if err != nil {
		n.t.Skipf("NOT CHECKED: this machine gives no control group of version 2: %v", err)
	}
	n.t.Cleanup(func() {
		// The folders of the deepest groups go first.
		if out, err := exec.Command("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+").CombinedOutput(); err != nil {
			n.t.Errorf("%v: %s", err, out)
		}
	})
	// The namespace of groups begins where the process is when it is made.
	n.write("join", "#!/bin/sh\necho $$ >"+group+"/cgroup.procs\nexec unshare -n -m -C sh -euc \"$1\"\n", 0o755)
	n.write("script", metadataScript+script, 0o644)
	out, err := n.inKernel(`exec "$CAPOM_ROOT/join" ". $CAPOM_ROOT/script"`, "-n")
	if err != nil {
		n.t.Fatalf("%v: %s", err, out)
	}
	return out
}

func TestPodsOfTheHostsNetworkAreKeptFromTheMetadataService(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())

	out := n.inGroups(`
ask "a service" system.slice/a.service 0 169.254.169.254/80
ask "a service's user" system.slice/a.service 65534 169.254.169.254/80
ask "a service over IPv6" system.slice/a.service 0 fd00:c1::a9fe:a9fe/80
ask "root's session" user.slice/a.scope 0 169.254.169.254/80
ask "a user's session" user.slice/a.scope 65534 169.254.169.254/80
ask "a pod as root" kubepods.slice/pod.slice/a.scope 0 169.254.169.254/80
ask "a pod as a user" kubepods.slice/pod.slice/a.scope 65534 169.254.169.254/80
ask "a pod over IPv6" kubepods.slice/pod.slice/a.scope 0 fd00:c1::a9fe:a9fe/80
ask "a pod of the cgroupfs driver" kubepods/pod/a 0 169.254.169.254/80
ask "a pod for names" kubepods.slice/pod.slice/a.scope 0 169.254.169.254/53
ask "the boot volume" kubepods.slice/pod.slice/a.scope 0 169.254.0.2/3260
told
rmdir /sys/fs/cgroup/user.slice/a.scope /sys/fs/cgroup/user.slice
mkdir -p /sys/fs/cgroup/user.slice/b.scope
ask "root's session in a new group" user.slice/b.scope 0 169.254.169.254/80
told
$guard again
ask "root's session after a round" user.slice/b.scope 0 169.254.169.254/80
told
nft flush chain inet capom metadata
ask "a pod without the rules" kubepods.slice/pod.slice/a.scope 0 169.254.169.254/80
told
$guard again
ask "a pod after a round" kubepods.slice/pod.slice/a.scope 0 169.254.169.254/80
told
`)

	var answers []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "capom: ") {
			answers = append(answers, strings.TrimSpace(line))
		}
	}
	g.Expect(answers).To(Equal([]string{
		"a service: reached", "a service's user: reached", "a service over IPv6: reached",
		"root's session: reached", "a user's session: dropped",
		"a pod as root: dropped", "a pod as a user: dropped", "a pod over IPv6: dropped", "a pod of the cgroupfs driver: dropped",
		"a pod for names: reached", "the boot volume: reached",
		"root's session in a new group: dropped", "root's session after a round: reached",
		"a pod without the rules: reached", "a pod after a round: dropped",
	}), out)
}
