// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// server has listed devices some time ago, and has others now.
type server struct {
	KeyTeller
	listed, now []tailnet.Device
}

func (s server) RecentDevices(context.Context, time.Duration) (*tailnet.DeviceList, error) {
	return tailnet.NewDeviceList(time.Time{}, s.listed), nil
}

func (s server) Device(_ context.Context, id string) (tailnet.Device, error) {
	for _, device := range s.now {
		if device.ID == id {
			return device, nil
		}
	}
	return tailnet.Device{}, &cloud.Error{Service: "tailnet", Code: string(tailnet.ReasonNotFound)}
}

func TestADeviceToRemoveIsTheOneThatJoinedThenHoweverOldTheList(t *testing.T) {
	joined := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	own, stranger := tailnet.Device{ID: "12", Name: "own", Created: joined}, tailnet.Device{ID: "12", Name: "laptop", Created: joined.Add(time.Hour)}
	claim := ownership.DeviceClaim{Hostname: "worker-1", Recorded: ownership.RecordedDevice{ID: "12", Created: joined}}
	for name, world := range map[string]struct {
		listed, now []tailnet.Device
		proven      bool
	}{
		"it is listed":                              {[]tailnet.Device{own}, []tailnet.Device{own}, true},
		"it joined after the list":                  {nil, []tailnet.Device{own}, true},
		"it is gone":                                {nil, nil, false},
		"a stranger has its number in the list":     {[]tailnet.Device{stranger}, []tailnet.Device{stranger}, false},
		"a stranger has its number since that list": {nil, []tailnet.Device{stranger}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)

			found, err := Statuses{Client: nobody{}}.FindToRemove(
				t.Context(), server{listed: world.listed, now: world.now}, Claimant{Object: &infrav1.OCIMeshMachine{}}, claim, time.Minute)

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found.Proof.IsZero()).To(Equal(!world.proven))
			g.Expect(found.Finding == nil).To(Equal(world.proven))
		})
	}
}
