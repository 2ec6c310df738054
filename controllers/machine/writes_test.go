// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
)

// writer tells what is patched, and refuses the first status as if somebody had written in between, if it is to.
type writer struct {
	client.Client
	writes  []string
	refuses bool
}

func (w *writer) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	w.writes = append(w.writes, "object")
	return w.Client.Patch(ctx, object, patch, options...)
}

func (w *writer) Status() client.SubResourceWriter { return statusWriter{w.Client.Status(), w} }

type statusWriter struct {
	client.SubResourceWriter
	of *writer
}

func (s statusWriter) Update(ctx context.Context, object client.Object, options ...client.SubResourceUpdateOption) error {
	if s.of.refuses {
		s.of.refuses = false
		return apierrors.NewConflict(schema.GroupResource{Resource: "ocimeshmachines"}, object.GetName(), nil)
	}
	s.of.writes = append(s.of.writes, "status")
	return s.SubResourceWriter.Update(ctx, object, options...)
}

func (s statusWriter) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	s.of.writes = append(s.of.writes, "merged status")
	return s.SubResourceWriter.Patch(ctx, object, patch, options...)
}

// lastPass reconciles until the machine is provisioned, and returns the writer as the last pass left it.
func (b *bench) lastPass(t *testing.T, own *infrav1.OCIMeshMachine, before func(*writer)) *writer {
	t.Helper()
	w := &writer{Client: env.Client}
	b.r.Client = w
	b.until(t, own, func(g Gomega) {
		ready := own.Status.Initialization.Provisioned != nil
		if !ready {
			w.writes = nil
			if own.Status.Instance.ID != "" {
				before(w)
			}
		}
		g.Expect(ready).To(BeTrue())
	})
	return w
}

func TestTheLastStepUpIsOneWriteOfTheSpecAndOneOfTheStatus(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")

	w := b.lastPass(t, own, func(*writer) {})

	NewWithT(t).Expect(w.writes).To(Equal([]string{"object", "status"}))
	helpers.ExpectConditions(t, own, allIsWell...)
}

func TestTheLastStepUpIsMergedWithWhatOthersWroteMeanwhile(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")

	w := b.lastPass(t, own, func(w *writer) { w.refuses = true })

	NewWithT(t).Expect(w.writes).To(Equal([]string{"object", "object", "merged status"}), "what was refused is merged in the same pass")
	NewWithT(t).Expect(own.Spec.ProviderID).To(Equal(providerIDPrefix + own.Status.Instance.ID))
	helpers.ExpectConditions(t, own, allIsWell...)
}

func TestALaunchedMachineSaysAtOnceThatItIsToJoin(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")

	for own.Status.Instance.ID == "" {
		b.pass(t, own)
		b.Reload(t, own)
	}

	g.Expect(helpers.ConditionsOf(own)).To(ContainElements("InstanceReady False InstanceProvisioning", "TailnetReady False Joining"))
}
