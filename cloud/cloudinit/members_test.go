// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func workerInput() Input {
	in := controlPlaneInput()
	in.ControlPlane = false
	return in
}

// peers are the members beside the node.
var peers = worldMembers[:3]

// settled is the member that new connections go to.
func (w membersWorld) settled() string {
	w.t.Helper()
	NewWithT(w.t).Eventually(w.answers("fresh"), soon).Should(BeElementOf(peers), func() string { return w.read("output") })
	return w.read("fresh")
}

func (w membersWorld) expect(client string, who any) {
	w.t.Helper()
	NewWithT(w.t).Eventually(w.answers(client), soon).Should(BeElementOf(who), func() string { return w.read("output") })
}

func TestANodeLeavesAnAPIServerThatIsGoneOrNotReady(t *testing.T) {
	t.Parallel()
	w := newMembersWorld(t, workerInput(), peers...)
	w.agent(true)
	w.expect("fresh", worldVIP)
	w.expect("kept", worldVIP)
	w.kubelet()
	first := w.settled()
	rest := slices.DeleteFunc(slices.Clone(peers), func(member string) bool { return member == first })
	NewWithT(t).Expect(w.read("kept")).To(Equal(worldVIP), "nothing is cut while all are ready")

	// kubelet's connection is on the member in use each time, at first on the route.
	for _, mode := range []string{"dead", "unready", "hanging", "lost", "foreign"} {
		t.Run(mode, func(t *testing.T) {
			w.t = t
			w.is(first, mode)

			w.expect("fresh", rest)
			w.expect("kept", rest)

			w.is(first, "ready")
			w.expect("fresh", first)
			// The next world needs the connection there.
			for _, member := range rest {
				w.is(member, "dead")
			}
			w.expect("kept", first)
			for _, member := range rest {
				w.is(member, "ready")
			}
		})
	}
}

func TestWhileNoAPIServerIsReadyTheRouteDecides(t *testing.T) {
	t.Parallel()
	w := newMembersWorld(t, workerInput(), peers...)
	w.kubelet()
	w.agent(true)
	first := w.settled()

	for _, member := range peers {
		w.is(member, "unready")
	}
	w.expect("fresh", worldVIP)

	w.is(peers[2], "ready")
	w.expect("fresh", peers[2])

	for _, member := range peers {
		w.is(member, "ready")
	}
	w.expect("fresh", first)
}

func TestMembersAreRememberedOverAReboot(t *testing.T) {
	t.Parallel()
	w := newMembersWorld(t, workerInput(), peers...)
	w.kubelet()
	w.agent(true)
	first := w.settled()

	w.agent(false)
	w.expect("fresh", worldVIP)
	// The tailnet has no route any more, and what goes to the VCN has the address there.
	w.is(worldVIP, "dead")
	w.expect("fresh", "nobody")
	w.do("ip route del " + worldVIP)
	w.agent(true)

	w.expect("fresh", first)
}

func TestMembersThatChangeAreFollowed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newMembersWorld(t, workerInput(), peers...)
	w.kubelet()
	w.agent(true)
	first := w.settled()
	rest := slices.DeleteFunc(slices.Clone(peers), func(member string) bool { return member == first })

	w.list(rest...)
	w.expect("fresh", rest)
	w.list(peers...)
	w.expect("fresh", first)

	w.list()
	w.do("nft flush ruleset")
	w.expect("fresh", first)
	g.Expect(w.read("var/lib/capom/members")).To(Equal(peers[0] + "\n" + peers[1] + "\n" + peers[2] + "\n"))
}

func TestAControlPlaneUsesItsOwnAPIServerWhileItHoldsTheAddress(t *testing.T) {
	t.Parallel()
	w := newMembersWorld(t, controlPlaneInput(), worldMembers...)
	w.kubelet()
	w.agent(true)
	w.settled()

	w.write("run/capom/vip-held", "", 0o600)
	w.do("ip addr add " + worldVIP + "/32 dev lo")
	w.expect("fresh", worldNode)

	// The address stays for a while after the API server.
	w.is(worldNode, "hanging")
	w.expect("fresh", peers)
	w.expect("kept", peers)

	w.is(worldNode, "ready")
	w.expect("fresh", worldNode)
	w.do("rm " + w.root + "/run/capom/vip-held; ip addr del " + worldVIP + "/32 dev lo; " + w.root + "/" + scriptsDir + "/capom-members leave")
	w.expect("fresh", peers)
}

func TestAListThatBreaksOffOrIsTooLongDoesNoHarm(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newMembersWorld(t, workerInput(), peers...)
	w.write("stubs/sync", "#!/bin/sh\necho \"$*\" >>\"$CAPOM_ROOT/synced\"\nexec /bin/sync \"$@\"\n", 0o755)
	w.kubelet()
	w.agent(true)
	w.settled()
	known := w.read("var/lib/capom/members")
	g.Expect(w.read("synced")).To(HaveSuffix("/var/lib/capom/members.new\n"), "it is on the disk before it counts")

	// The agent asks when it starts.
	w.list(peers[0])
	w.write("breaks-off", "", 0o644)
	for range 2 {
		w.agent(false)
		w.expect("fresh", worldVIP)
		_ = os.Remove(filepath.Join(w.root, "broke-off"))
		w.agent(true)
		g.Eventually(func() bool { return w.exists("broke-off") }, soon).Should(BeTrue())
		w.settled()
	}
	g.Expect(w.read("var/lib/capom/members")).To(Equal(known))

	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprintf("100.65.0.%d", i+1))
	}
	w.list(append(many, peers...)...)
	_ = os.Remove(filepath.Join(w.root, "breaks-off"))
	w.agent(false)
	w.expect("fresh", worldVIP)
	w.agent(true)
	g.Eventually(func() int { return strings.Count(w.read("var/lib/capom/members"), "\n") }, soon).Should(Equal(32))
	w.settled()
}

func TestInTheUsualSecondNothingIsStartedButCurlAndSleep(t *testing.T) {
	t.Parallel()
	unshare := requireNamespaces(t, "-r", "-p", "-f")
	for _, shell := range []string{"sh", "bash"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			n := newTestNode(t, workerInput())
			n.write("joined", "", 0o644)
			n.write("var/lib/capom/members", strings.Join(peers, "\n")+"\n", 0o644)
			n.write("stubs/sleep", stubScript, 0o755)
			n.stub("curl", `echo "curl $$" >>"$CAPOM_ROOT/started"`)
			n.stub("sleep", `echo "sleep $$" >>"$CAPOM_ROOT/started"; exec /bin/sleep 0.05`)
			// In a namespace of its own whatever the agent forks takes the next number.
			n.write("alone", "#!/bin/sh\nexec "+unshare+" -r -p -f "+shell+" "+filepath.Join(n.root, scriptsDir, "capom-members")+" run\n", 0o755)

			n.start("alone")

			// Of ten seconds the other one asks all members.
			NewWithT(t).Eventually(func() int { return secondsInARow(n.read("started")) }, soon).Should(Equal(9), func() string { return n.read("output") })
		})
	}
}

// secondsInARow is how often at most curl was started after sleep and sleep after curl, by the
// processes' numbers, and no process between them.
func secondsInARow(started string) int {
	most, now := 0, 0
	var last string
	var lastNumber int
	for line := range strings.Lines(started) {
		var program string
		var number int
		if _, err := fmt.Sscan(line, &program, &number); err != nil {
			break
		}
		if program == last || number != lastNumber+1 {
			now = 0
		} else if program == "sleep" {
			now++
		}
		most = max(most, now)
		last, lastNumber = program, number
	}
	return most
}
