// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestTheMachineSaysHowLongADrainMayTake(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for name, world := range map[string]struct {
		seconds *int32
		due     time.Duration
		bounded bool
	}{
		"nothing said":     {nil, DrainTimeout, true},
		"a time":           {ptr.To[int32](90), 90 * time.Second, true},
		"as long as it is": {ptr.To[int32](0), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			drain := Drain{Own: &infrav1.OCIMeshMachine{}, Machine: &clusterv1.Machine{}}
			drain.Own.Status.Drain.StartedAt = metav1.NewTime(began)
			drain.Machine.Spec.Deletion.NodeDrainTimeoutSeconds = world.seconds
			due, bounded := drain.due()
			g.Expect(bounded).To(Equal(world.bounded))
			g.Expect(due).To(BeTemporally("==", began.Add(world.due)))
		})
	}
}
