// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// simulated is the instance as the OCI simulator reports it.
func simulated(i Instance) sim.Machine {
	return sim.Machine{ID: i.ID, DisplayName: i.Name, Arch: i.Architecture, Metadata: map[string]string{cloudinit.UserDataKey: i.UserData}}
}

func TestAMachineOfTheSimulatorRunsUntilItsContextEnds(t *testing.T) {
	w := newWorld(t, "127.100.3.1")
	w.cluster(t)
	oci := OCI{Booter: w.booter}
	machine := simulated(w.instance("worker-0", false, w.workerData(token)))
	ctx, powerOff := context.WithCancel(t.Context())

	oci.Boot(ctx, machine)
	w.Eventually(w.ready(t, "worker-0")).Should(Equal("True"))
	powerOff()

	w.Eventually(w.ready(t, "worker-0")).Should(Equal("Unknown"))
}

func TestEventsThatComeTooLateBootNothing(t *testing.T) {
	w := newWorld(t, "127.100.3.2")
	oci := OCI{Booter: w.booter}
	stopped, terminated := sim.Machine{ID: "stopped"}, sim.Machine{ID: "terminated"}
	ended, end := context.WithCancel(t.Context())
	end()
	oci.Terminate(t.Context(), terminated)

	oci.Boot(ended, stopped)
	oci.Boot(t.Context(), terminated)

	for _, id := range []string{"stopped", "terminated"} {
		_, err := w.booter.Console(id)
		w.Expect(err).To(HaveOccurred(), id)
	}
}
