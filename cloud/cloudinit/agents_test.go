// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// externalEtcd is what a ClusterConfiguration says of etcd members that run elsewhere.
var externalEtcd = map[string]any{"external": map[string]any{
	"endpoints": []string{"https://100.64.0.11:2379", "https://100.64.0.12:2379", "https://100.64.0.13:2379"},
	"caFile":    "/etc/kubernetes/pki/etcd/ca.crt", "certFile": "/etc/kubernetes/pki/apiserver-etcd-client.crt",
	"keyFile": "/etc/kubernetes/pki/apiserver-etcd-client.key",
}}

func TestControlPlanesOfAllFlavorsHaveRoomForBothAgentsAndMore(t *testing.T) {
	const margin = 100
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	stacked, external := authorities(t, key, false), authorities(t, key, true)
	for name, f := range flavors(t) {
		for etcd, in := range map[string]Input{
			"":                 f.largest(f.bootstrap(t, stacked, nil)),
			", etcd elsewhere": f.largest(f.bootstrap(t, external, externalEtcd)),
		} {
			t.Run(name+etcd, func(t *testing.T) {
				t.Parallel()
				g := NewWithT(t)

				fitted, absent, err := Fit(in)

				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(absent).To(BeEmpty())
				userData, err := Render(fitted)
				g.Expect(err).NotTo(HaveOccurred())
				size := Size(userData, in.OtherMetadata)
				t.Logf("%d of %d bytes", size, MaxMetadataBytes)
				g.Expect(size).To(BeNumerically("<=", MaxMetadataBytes-margin))
			})
		}
	}
}

// withOwnFile is a control plane with all agents and a file that does not shrink.
func withOwnFile(bytes int) Input {
	in := controlPlaneInput()
	in.Agent, in.Bootstrap = true, fmt.Appendf(nil, templated, ownFile(bytes))
	return in
}

func TestAgentsAreLeftOutInTheirOrderUntilTheRestHasRoom(t *testing.T) {
	all := withOwnFile(6000)
	noUpdate, none := all, all
	noUpdate.Without, none.Without = []Agent{UpdateAgent}, []Agent{UpdateAgent, MembersAgent}
	size := func(in Input) int {
		over, err := in.over()
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		return over + MaxMetadataBytes
	}
	for name, tc := range map[string]struct {
		full    int
		absent  []Agent
		refused bool
	}{
		"all have room, to the byte":           {full: size(all)},
		"all but the first have room":          {full: size(noUpdate), absent: []Agent{UpdateAgent}},
		"none has room, but the rest has":      {full: size(none), absent: []Agent{UpdateAgent, MembersAgent}},
		"all else is too large without agents": {full: size(none) - 1500, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			in := all
			in.OtherMetadata = map[string]string{"k": strings.Repeat("v", MaxMetadataBytes-tc.full-len("k"))}

			fitted, absent, err := Fit(in)

			if tc.refused {
				g.Expect(err).To(MatchError(ErrTooLarge))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(fitted.Without).To(Equal(tc.absent))
			userData, err := Render(fitted)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(CheckSize(userData, in.OtherMetadata)).To(Succeed())
			parsed, err := Parse(userData)
			g.Expect(err).NotTo(HaveOccurred())
			for _, agent := range Dispensable() {
				g.Expect(parsed.Files["usr/local/sbin/"+string(agent)] == nil).To(Equal(slices.Contains(tc.absent, agent)), string(agent))
			}
			g.Expect(absent).To(HaveLen(len(tc.absent)))
			for i, a := range absent {
				g.Expect(a.Agent).To(Equal(tc.absent[i]))
				g.Expect(a.Lacking).To(BeNumerically(">", 0))
			}
			if len(absent) > 0 {
				g.Expect(absent[0].Lacking).To(Equal(size(all)-tc.full), "bytes less, and it had room")
			}
		})
	}
}

func TestSSHKeysTakeFromTheRoomOfAgents(t *testing.T) {
	g := NewWithT(t)
	in := withOwnFile(7000)
	_, absent, err := Fit(in)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(absent).To(BeEmpty())

	in.OtherMetadata = map[string]string{"ssh_authorized_keys": strings.Repeat("k", 4000)}
	_, absent, err = Fit(in)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(absent).NotTo(BeEmpty())
}

func TestAnAgentThatTheMachineDoesNotGetIsNotAbsent(t *testing.T) {
	g := NewWithT(t)
	in := withOwnFile(13_000)
	in.Agent, in.Endpoint.VIP = false, false
	_, absent, err := Fit(in)
	g.Expect(err).To(Or(BeNil(), MatchError(ErrTooLarge)))
	g.Expect(absent).To(BeEmpty())
}

func TestOnlyAMachineOfAClusterWithAVIPFindsAPIServers(t *testing.T) {
	g := NewWithT(t)
	for _, vip := range []bool{false, true} {
		in := controlPlaneInput()
		in.Endpoint.VIP = vip
		userData, err := Render(in)
		g.Expect(err).NotTo(HaveOccurred())
		parsed, err := Parse(userData)
		g.Expect(err).NotTo(HaveOccurred())
		for _, name := range []string{"usr/local/sbin/capom-members", "etc/systemd/system/capom-members.service"} {
			g.Expect(parsed.Files[name] != nil).To(Equal(vip), name)
		}
	}
}

func TestLargerKeysLeaveOutWhatTheConditionSays(t *testing.T) {
	for bits, want := range map[int][]Agent{2048: nil, 3072: {UpdateAgent, MembersAgent}} {
		t.Run(fmt.Sprint("RSA-", bits), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			in := withAuthorities(controlPlaneInput(), rsaAuthorities(t, bits))
			in.Agent = true

			fitted, absent, err := Fit(in)

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(fitted.Without).To(Equal(want))
			g.Expect(absent).To(HaveLen(len(want)))
		})
	}
}
