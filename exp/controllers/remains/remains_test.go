// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remains_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/remains"
)

func TestVolumesAreKnownByBothTagsOfTheirPool(t *testing.T) {
	whole := map[string]string{infrav1.MachinePoolUIDTag: "uid", infrav1.MachinePoolNameTag: "team/workers"}
	for name, world := range map[string]struct{ tags, mark map[string]string }{
		"a pool's instance": {map[string]string{
			infrav1.MachinePoolUIDTag: "uid", infrav1.MachinePoolNameTag: "team/workers", "cost-centre": "7",
		}, whole},
		"the UID only, of an old version":  {map[string]string{infrav1.MachinePoolUIDTag: "uid"}, nil},
		"the name only":                    {map[string]string{infrav1.MachinePoolNameTag: "team/workers"}, nil},
		"an instance of somebody's script": {map[string]string{"cost-centre": "7"}, nil},
		"no tags":                          {nil, nil},
	} {
		t.Run(name, func(t *testing.T) { NewWithT(t).Expect(remains.Mark(world.tags)).To(Equal(world.mark)) })
	}
}

// A record that is not recent is made anew, and nothing is written if it says the same.
func TestARecordCountsForAMinuteAndIsWrittenWhenItIsNews(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	at := func(age time.Duration, volumes ...string) expv1.LeavingStatus {
		return expv1.LeavingStatus{RecordedAt: metav1.NewTime(now.Add(-age)), VolumeIDs: volumes}
	}
	for name, world := range map[string]struct {
		recorded, seen expv1.LeavingStatus
		recent, known  bool
	}{
		"nothing was recorded":                  {expv1.LeavingStatus{}, at(0), false, false},
		"of a moment ago, and still so":         {at(time.Second, "a", "b"), at(0, "a", "b"), true, true},
		"of a moment ago, a volume is detached": {at(time.Second, "a", "b"), at(0, "b"), true, false},
		"of long ago, and still so":             {at(time.Hour, "a"), at(0, "a"), false, true},
		"of exactly a minute ago, no volumes":   {at(time.Minute), at(0), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(remains.IsRecent(world.recorded, now)).To(Equal(world.recent))
			g.Expect(remains.IsKnown(world.recorded, world.seen)).To(Equal(world.known))
		})
	}
}

// A pool of hundreds must not make an event that the API server refuses.
func TestFiveVolumesThatAreLeftAreNamed(t *testing.T) {
	for count, want := range map[int]string{1: " of v0", 5: " of v0, v1, v2, v3, v4", 600: " of v0, v1, v2, v3, v4 and others"} {
		var volumes []string
		for i := range count {
			volumes = append(volumes, fmt.Sprint("v", i))
		}
		NewWithT(t).Expect(remains.Left("alice", volumes)).To(And(
			HavePrefix(fmt.Sprint(count, " data volumes in account alice are left")), ContainSubstring("oci bv volume delete"), HaveSuffix(want)))
	}
}
