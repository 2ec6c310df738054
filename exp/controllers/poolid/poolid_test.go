// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolid_test

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

func TestTagsProveAndARecordDoesUnlessTagsNameAnotherPool(t *testing.T) {
	owner := ownership.MachinePool("uid", "team", "workers")
	for name, world := range map[string]struct {
		recorded string
		tags     map[string]string
		want     bool
	}{
		"its own tags":                             {"", owner.Tags(), true},
		"no tags and no record":                    {"", nil, false},
		"no tags and a record":                     {"id", nil, true},
		"no tags and a record of something else":   {"other", nil, false},
		"the name with another identity, recorded": {"id", ownership.MachinePool("old", "team", "workers").Tags(), true},
		"the name with another identity":           {"", ownership.MachinePool("old", "team", "workers").Tags(), false},
		"another name, recorded":                   {"id", ownership.MachinePool("uid", "team", "victim").Tags(), false},
		"another namespace, recorded":              {"id", ownership.MachinePool("uid", "victim", "workers").Tags(), false},
		"a machine's tags, recorded":               {"id", map[string]string{infrav1.MachineUIDTag: "uid"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			proof, proven := poolid.Prove(owner, ownership.Recorded(world.recorded), "id", world.tags)
			g.Expect(proven).To(Equal(world.want))
			if proven {
				g.Expect(proof.ID()).To(Equal("id"))
			}
		})
	}
}

func TestAPoolIsNamedByAnOwnerReferenceOfItsKindAndGroupOnly(t *testing.T) {
	g := NewWithT(t)
	object := &expv1.OCIMeshMachinePoolMachine{}
	g.Expect(poolid.NameIn(object)).To(BeEmpty())
	object.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "cluster.x-k8s.io/v1beta2", Kind: "Machine", Name: "a"},
		{APIVersion: "example.com/v1", Kind: poolid.Kind, Name: "b"},
	}
	g.Expect(poolid.NameIn(object)).To(BeEmpty())
	object.OwnerReferences = append(object.OwnerReferences,
		metav1.OwnerReference{APIVersion: expv1.GroupVersion.String(), Kind: poolid.Kind, Name: "c"})
	g.Expect(poolid.NameIn(object)).To(Equal("c"))
}
