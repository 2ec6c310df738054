// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

func TestTheConditionSaysWhatIsKnownOfTheDevice(t *testing.T) {
	t.Parallel()
	recorded := infrav1.TailnetDeviceStatus{DeviceID: "1"}
	online, offline := &tailnet.Device{Online: true}, &tailnet.Device{}
	for name, test := range map[string]struct {
		deleting bool
		status   infrav1.TailnetDeviceStatus
		observed Observed
		want     string
		message  string
	}{
		"never seen":           {want: "False Waiting", message: "The machine does not run yet"},
		"online":               {status: recorded, observed: Observed{Device: online}, want: "True Ready"},
		"about to lose it":     {status: recorded, observed: Observed{Device: online, Warning: "soon"}, want: "True Ready", message: "soon"},
		"not looked at":        {status: recorded, want: "Unknown Waiting", message: "The device is not checked while the instance is not ready"},
		"offline with a cause": {status: recorded, observed: Observed{Device: offline}, want: "Unknown Waiting", message: "The device is not checked while the instance is not ready"},
		"going":                {deleting: true, status: recorded, observed: Observed{Device: online}, want: "False Deleting", message: "The machine is being deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			machine := &infrav1.OCIMeshMachine{}
			if test.deleting {
				machine.DeletionTimestamp = &metav1.Time{Time: time.Now()}
			}
			got := Condition(machine, test.status, test.observed)
			g.Expect(string(got.Status) + " " + got.Reason).To(Equal(test.want))
			g.Expect(got.Message).To(Equal(test.message))
			g.Expect(got.Type).To(Equal(infrav1.TailnetReadyCondition))
		})
	}
}
