// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestTheLastStepUpIsOneWriteOfTheSpecAndOneOfTheStatus(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")

	w := b.lastPass(t, own, func(*writer) {})

	g := NewWithT(t)
	g.Expect(w.writes).To(Equal([]string{"object", "status"}))
	helpers.ExpectConditions(t, own, allIsWell...)
	for _, condition := range own.Status.Conditions {
		g.Expect(condition.ObservedGeneration).To(Equal(own.Generation), condition.Type)
	}
	b.pass(t, own)
	g.Expect(w.writes).To(Equal([]string{"object", "status"}), "nothing is left to be written")
}

func TestTheLastStepUpIsMergedWithWhatOthersWroteMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")

	w := b.lastPass(t, own, func(w *writer) { w.refuses = true })

	NewWithT(t).Expect(w.writes).To(Equal([]string{"object", "merged status", "object", "merged status"}), "what was refused is merged in the same pass")
	NewWithT(t).Expect(own.Spec.ProviderID).To(Equal(cloud.ProviderID(own.Status.Instance.ID)))
	helpers.ExpectConditions(t, own, allIsWell...)
}
