// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package userdata

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
)

func TestWhatIsAbsentIsKeptAndReadAsItWas(t *testing.T) {
	g := NewWithT(t)
	own := &infrav1.OCIMeshMachine{}
	g.Expect(KeepAbsent(own, nil)).To(BeFalse(), "nothing is no news")
	both := []cloudinit.Absence{{Agent: cloudinit.UpdateAgent, Lacking: 120}, {Agent: cloudinit.MembersAgent, Lacking: 7}}

	g.Expect(KeepAbsent(own, both)).To(BeTrue())
	g.Expect(KeepAbsent(own, both)).To(BeFalse(), "the same is no news")
	g.Expect(Absent(own)).To(Equal(both))

	g.Expect(KeepAbsent(own, nil)).To(BeTrue())
	g.Expect(Absent(own)).To(BeEmpty())
	g.Expect(own.Annotations).NotTo(HaveKey(infrav1.AbsentAgentsAnnotation))
}

func TestWhatSomebodyElseWroteIntoTheAnnotationIsPassedOver(t *testing.T) {
	g := NewWithT(t)
	own := &infrav1.OCIMeshMachine{}
	own.Annotations = map[string]string{infrav1.AbsentAgentsAnnotation: " capom-update=x capom-other=4  = capom-members capom-members=9"}
	g.Expect(Absent(own)).To(Equal([]cloudinit.Absence{{Agent: cloudinit.MembersAgent, Lacking: 9}}))
}

func TestTheConditionSaysWhatIsMissingWhatThatCostsAndWhatToDo(t *testing.T) {
	for name, tc := range map[string]struct {
		absent []cloudinit.Absence
		want   string
	}{
		"the agent for updates": {
			[]cloudinit.Absence{{Agent: cloudinit.UpdateAgent, Lacking: 120}},
			"Without capom-update (120 bytes too many) another version of Kubernetes or tailscale, or a larger volume, takes another machine.",
		},
		"both": {
			[]cloudinit.Absence{{Agent: cloudinit.UpdateAgent, Lacking: 3000}, {Agent: cloudinit.MembersAgent, Lacking: 7}},
			"Without capom-update (3000 bytes too many) another version of Kubernetes or tailscale, or a larger volume, takes another machine. " +
				"Without capom-members (7 bytes too many) when the API server that it uses dies or hangs, it waits until the tailnet moves the control plane's " +
				"address, and without the tailnet's coordination server until that API server is back.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			condition := AgentsComplete(tc.absent)
			NewWithT(t).Expect(condition.Message).To(Equal("The user data has no room for agents of the node. " + tc.want +
				" Take those bytes off the SSH keys, or the files and commands of the bootstrap config, and replace the machine; " +
				"a cluster made with encryptionAlgorithm ECDSA-P256 in the KubeadmControlPlane's clusterConfiguration has room"))
		})
	}
}

func TestEveryAgentHasWordsForItsAbsence(t *testing.T) {
	g := NewWithT(t)
	for _, agent := range cloudinit.Dispensable() {
		g.Expect(lost).To(HaveKey(agent))
	}
	g.Expect(lost).To(HaveLen(len(cloudinit.Dispensable())))
}
