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
	w.stub("sync", `echo "$*" >>"$CAPOM_ROOT/synced"; exec /bin/sync "$@"`)
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
