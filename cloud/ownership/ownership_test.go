// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package ownership

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestOnlyIdentityNamespaceAndNameTogetherProve(t *testing.T) {
	victim := Machine("uid-1", "team-a", "worker-1")
	for name, world := range map[string]struct {
		owner Owner
		tags  map[string]string
		want  bool
	}{
		"its own":                             {victim, victim.Tags(), true},
		"its own, and others' tags":           {victim, victim.TagsWith(Cluster("c", "team-a", "c1")), true},
		"no tags":                             {victim, nil, false},
		"identity only":                       {victim, map[string]string{infrav1.MachineUIDTag: "uid-1"}, false},
		"name only":                           {victim, map[string]string{infrav1.MachineNameTag: "team-a/worker-1"}, false},
		"a forged identity, own namespace":    {Machine("uid-1", "team-b", "worker-1"), victim.Tags(), false},
		"a forged identity, another name":     {Machine("uid-1", "team-a", "worker-2"), victim.Tags(), false},
		"the same name with another identity": {Machine("uid-2", "team-a", "worker-1"), victim.Tags(), false},
		"another kind of the same identity":   {Cluster("uid-1", "team-a", "worker-1"), victim.Tags(), false},
		"an object without an identity":       {Machine("", "team-a", "worker-1"), Machine("", "team-a", "worker-1").Tags(), false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			proof, proven := world.owner.Tagged("ocid1.instance.x", world.tags)
			g.Expect(proven).To(Equal(world.want))
			g.Expect(proof.IsZero()).To(Equal(!world.want))
		})
	}
}

func TestWhatHasNoIdentifierIsNotProven(t *testing.T) {
	g := NewWithT(t)
	owner := Cluster("uid", "team", "c1")
	_, proven := owner.Tagged("", owner.Tags())
	g.Expect(proven).To(BeFalse())
	g.Expect(Recorded("").IsZero()).To(BeTrue())
	g.Expect(Recorded("").Part("x").IsZero()).To(BeTrue(), "a part of nothing is not proven")
	g.Expect(Recorded("a").Part("x").ID()).To(Equal("x"))
}

func TestDigestsTellOwnersApart(t *testing.T) {
	g := NewWithT(t)
	seen := map[string]Owner{}
	for _, owner := range []Owner{
		Machine("a", "b", "c"), Machine("a", "b", "d"), Machine("a", "x", "c"), Machine("z", "b", "c"),
		Cluster("a", "b", "c"), MachinePool("a", "b", "c"), Machine("a\nb", "c", "d"), Machine("ab", "", "c"),
	} {
		g.Expect(seen).NotTo(HaveKey(owner.Digest()))
		g.Expect(owner.Digest()).To(HaveLen(40))
		seen[owner.Digest()] = owner
	}
}

func TestLongNamesFitIntoATagAndStayApart(t *testing.T) {
	g := NewWithT(t)
	namespace, name := strings.Repeat("n", 63), strings.Repeat("m", 253)
	one, other := Machine("u", namespace, name), Machine("u", namespace, name[:252]+"x")
	g.Expect(len(one.Tags()[infrav1.MachineNameTag])).To(Equal(256))
	_, proven := other.Tagged("id", one.Tags())
	g.Expect(proven).To(BeFalse())
}
