// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
)

func TestTheConsoleOfAnInstanceIsCapturedReadAndDeleted(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t)
	instance, err := b.launch(b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "a")))
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	g.Expect(b.sim.SetConsole(*instance.Id, "Linux\ncapom: no mirror\n")).To(Succeed())

	captured, err := b.compute.CaptureConsoleHistory(b.t.Context(), core.CaptureConsoleHistoryRequest{
		CaptureConsoleHistoryDetails: core.CaptureConsoleHistoryDetails{InstanceId: instance.Id},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(captured.LifecycleState).To(Equal(core.ConsoleHistoryLifecycleStateRequested))
	content := core.GetConsoleHistoryContentRequest{InstanceConsoleHistoryId: captured.Id, Offset: common.Int(6), Length: common.Int(5)}
	_, err = b.compute.GetConsoleHistoryContent(b.t.Context(), content)
	g.Expect(refusal(err)).To(HavePrefix("409 "))

	b.clock.Advance(step)
	history, err := b.compute.GetConsoleHistory(b.t.Context(), core.GetConsoleHistoryRequest{InstanceConsoleHistoryId: captured.Id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(history.LifecycleState).To(Equal(core.ConsoleHistoryLifecycleStateSucceeded))
	read, err := b.compute.GetConsoleHistoryContent(b.t.Context(), content)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*read.Value).To(Equal("capom"))
	g.Expect(*read.OpcBytesRemaining).To(Equal(len(": no mirror\n")))

	_, err = b.compute.DeleteConsoleHistory(b.t.Context(), core.DeleteConsoleHistoryRequest{InstanceConsoleHistoryId: captured.Id})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = b.compute.GetConsoleHistory(b.t.Context(), core.GetConsoleHistoryRequest{InstanceConsoleHistoryId: captured.Id})
	g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"))
}
