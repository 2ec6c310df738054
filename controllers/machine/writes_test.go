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
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// writtenMeanwhile is the API server's answer to a write over a version that is not the newest.
var writtenMeanwhile = apierrors.NewConflict(schema.GroupResource{Resource: "ocimeshmachines"}, "worker", nil)

// writer tells what is patched, and refuses the first status, if it is to.
type writer struct {
	client.Client
	writes  []string
	refusal error
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
	if refusal := s.of.refusal; refusal != nil {
		s.of.refusal = nil
		return refusal
	}
	s.of.writes = append(s.of.writes, "status")
	return s.SubResourceWriter.Update(ctx, object, options...)
}

func (s statusWriter) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	s.of.writes = append(s.of.writes, "merged status")
	return s.SubResourceWriter.Patch(ctx, object, patch, options...)
}

// lastPass reconciles until the machine is provisioned, and returns the writer as the last pass
// left it.
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

// writesUntil reconciles until the machine is as wanted, and returns what was written.
func (b *bench) writesUntil(t *testing.T, own *infrav1.OCIMeshMachine, wanted func() bool) []string {
	t.Helper()
	w := &writer{Client: env.Client}
	b.r.Client = w
	b.until(t, own, func(g Gomega) { g.Expect(wanted()).To(BeTrue()) })
	return w.writes
}

func TestAMachineIsWrittenOnceForEachStep(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.booter.setAsleep(true)
	own := b.machine(t, "worker")
	up := b.writesUntil(t, own, func() bool { return own.Status.Instance.State == string(oci.StateRunning) })
	g.Expect(up).To(Equal([]string{
		"object", // finalizer and identity
		"status", // placed
		"status", // launched
		"status", // runs
	}))
	g.Expect(own.Status.Instance.PrivateIP).NotTo(BeEmpty(), "its addresses are told with that it runs")
	helpers.ExpectConditions(t, own, "Ready False Joining", "Placed True Ready", "InstanceReady True Ready",
		"TailnetReady False Joining", "Deleting False NotDeleting", "Paused False NotPaused")
	b.booter.setAsleep(false)
	b.booter.Boot(t.Context(), b.instanceOf(t, own.Status.Instance.ID))
	g.Expect(b.writesUntil(t, own, func() bool { return own.Status.Initialization.Provisioned != nil })).To(Equal([]string{
		"object", // the provider ID
		"status", // joined and provisioned
	}))

	g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())
	down := b.writesUntil(t, own, func() bool {
		return apierrors.IsNotFound(b.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own))
	})
	g.Expect(down).To(Or(Equal([]string{"status", "object"}), Equal([]string{"status", "status", "object"})),
		"what it waits for, the instance's end and perhaps its volumes', and the finalizer")
}

func TestANewMachineIsPlacedWithoutALookForAnInstanceThatCannotBe(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	g.Expect(b.poll(t.Context())).To(Succeed())
	polls := b.calls("ListInstances")
	_, err := b.r.Reconcile(t.Context(), requestOf(own))
	g.Expect(err).NotTo(HaveOccurred())
	b.Reload(t, own)
	g.Expect(own.Status.Placement.Account).NotTo(BeEmpty())
	g.Expect(b.calls("ListInstances")).To(Equal(polls))

	old := b.machine(t, "old")
	b.identify(t, old)
	b.r = b.reconciler()
	_, err = b.r.Reconcile(t.Context(), requestOf(old))
	g.Expect(err).NotTo(HaveOccurred())
	b.Reload(t, old)
	g.Expect(old.Status.Placement.Account).To(BeEmpty(), "another process may have launched it")
	b.untilProvisioned(t, old)
}

func TestALaunchedMachineSaysAtOnceThatItIsToJoin(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")

	for own.Status.Instance.ID == "" {
		b.pass(t, own)
		b.Reload(t, own)
	}

	g.Expect(helpers.ConditionsOf(own)).To(ContainElements("InstanceReady False InstanceProvisioning", "TailnetReady False Joining"))
}

func TestNothingIsPlacedInAnAccountThatNobodyHasLookedAt(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	for range 3 {
		_, err := b.r.Reconcile(t.Context(), requestOf(own))
		g.Expect(err).NotTo(HaveOccurred())
	}
	b.Reload(t, own)
	g.Expect(own.Status.Placement.Account).To(BeEmpty(), "what others use of its budget is not known yet")
	helpers.ExpectConditions(t, own, "Ready False Waiting", "Placed False Waiting", "InstanceReady False Waiting",
		"TailnetReady False Waiting", "Deleting False NotDeleting", "Paused False NotPaused")
	b.untilProvisioned(t, own)
}
