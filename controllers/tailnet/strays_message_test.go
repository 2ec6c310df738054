// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/strays"
)

// Nodes choose their hostnames: the commands are whole whatever these are.
func TestTheMessageHoldsTheCommandsWhateverNamesThereAre(t *testing.T) {
	g := NewWithT(t)
	tn := &infrav1.Tailnet{Spec: infrav1.TailnetSpec{TailnetName: "example.com"}}
	devices := map[string]tailnet.Device{}
	var found []strays.Stray
	for i := range 20 {
		id := fmt.Sprintf("nDevice%dCNTRL", i)
		devices[id] = tailnet.Device{ID: id, Hostname: strings.Repeat("h", 300) + "\n"}
		found = append(found, strays.Stray{ID: id})
	}
	status := infrav1.TailnetStrays{
		DeviceCount: strays.Count(20), Devices: devicesStatus(found, devices),
		KeyCount: strays.Count(1), Keys: []infrav1.StrayKey{{ID: "kKeyCNTRL", Description: "capom x"}},
	}

	condition := strays.Finding{Count: 21, Found: foundMessage(tn, status)}.Condition()

	g.Expect(status.Devices).To(HaveLen(strays.Named))
	g.Expect(len(status.Devices[0].Hostname)).To(BeNumerically("<=", 255))
	g.Expect(len(condition.Message)).To(BeNumerically("<=", 1024))
	g.Expect(condition.Message).NotTo(ContainSubstring("\n"))
	g.Expect(condition.Message).To(And(
		ContainSubstring(`curl -X DELETE -H "Authorization: Bearer $TOKEN" "https://api.tailscale.com/api/v2/device/nDevice0CNTRL"`),
		ContainSubstring(`"https://api.tailscale.com/api/v2/tailnet/example.com/keys/kKeyCNTRL"`), ContainSubstring("18 more in status.strays")))
	evil := devicesStatus([]strays.Stray{{ID: "1; reboot"}}, nil)
	g.Expect(evil).To(BeEmpty(), "it is counted and not named")
}

func TestTheAPIServerTakesTheLongestStatus(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	devices, keys := map[string]tailnet.Device{}, map[string]tailnet.Key{}
	var found []strays.Stray
	for i := range 20 {
		id := fmt.Sprintf("n%s%02d", strings.Repeat("x", 61), i)
		devices[id] = tailnet.Device{ID: id, Hostname: strings.Repeat("ü\n", 255)}
		keys[id] = tailnet.Key{ID: id, Description: "capom " + strings.Repeat("€", 100)}
		found = append(found, strays.Stray{ID: id, Since: time.Now()})
	}
	reconciled(t, w.r, w.Tailnet)
	w.Tailnet.Status.Strays = infrav1.TailnetStrays{
		DeviceCount: strays.Count(20), Devices: devicesStatus(found, devices), KeyCount: strays.Count(20), Keys: keysStatus(found, keys),
	}
	g.Expect(w.Client.Status().Update(t.Context(), w.Tailnet)).To(Succeed())
	env.Reload(t, w.Tailnet)
	g.Expect(w.Tailnet.Status.Strays.Keys).To(HaveLen(strays.Named))
}
