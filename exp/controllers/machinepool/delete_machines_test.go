// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// A user who may make pools and their machines, but not delete Machines, must not have the provider
// do it for him.
func TestAMachineOfAnotherKindThatHasTheNameStays(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	bystander := helpers.NewMachine(b.cluster, "bystander")
	b.Create(t, bystander)
	object := b.machines(t)[0].DeepCopy()
	object.ObjectMeta = metav1.ObjectMeta{
		Namespace: b.Namespace, Name: bystander.Name, Labels: object.Labels, OwnerReferences: object.OwnerReferences,
	}
	b.Create(t, object)
	b.delete(t)
	b.Reload(t, bystander)
	g.Expect(bystander.DeletionTimestamp.IsZero()).To(BeTrue())
	g.Expect(b.Client.Delete(t.Context(), bystander)).To(Succeed())
}
