// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"os"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

var env *Environment

func TestMain(m *testing.M) { os.Exit(Run(m, &env)) }

func TestBuildersMakeObjectsThatTheAPIServerTakes(t *testing.T) {
	g := NewWithT(t)
	namespace := env.Namespace(t, nil)
	cluster := NewCluster(namespace, "c1")
	env.Create(t, cluster)
	infra := NewOCIMeshCluster(cluster, "net", []string{"alice", "bob"})
	machine := NewMachine(cluster, "m1", ControlPlane)
	env.Create(t, infra, machine)
	env.Create(t, NewOCIMeshMachine(machine), NewBootstrapSecret(machine, "#cloud-config\n"))

	env.ProvisionInfrastructure(t, cluster)

	read := &infrav1.OCIMeshCluster{}
	g.Expect(env.Client.Get(t.Context(), client.ObjectKeyFromObject(infra), read)).To(Succeed())
	g.Expect(read.Spec.Accounts[1].Network.Managed.VCNCIDR).To(Equal("10.0.0.0/16"), "the CRD's defaults apply")
}

// What runs only without the race detector runs nowhere if make test-lives does not name it.
func TestTheMakefileNamesTheTestsThatRunWithoutTheRaceDetector(t *testing.T) {
	g := NewWithT(t)
	makefile, err := os.ReadFile("../../../Makefile")
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(string(makefile)).To(ContainSubstring("\nCRASHTESTS := " + crashTests.String() + "\n"))
	g.Expect(string(makefile)).To(MatchRegexp(`(?m)^test: (.*\n)(\t.*\n)*\t.* test-lives `))
}

func TestWorldIsOneThatClientsWorkIn(t *testing.T) {
	g := NewWithT(t)
	w := NewWorld(t, env, WorldOptions{Accounts: 2})

	for _, account := range w.Accounts {
		client, err := w.Clients.OCI(t.Context(), account)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(client.ProbeCompartment(t.Context())).To(Succeed())
	}
	client, err := w.Clients.TailnetClient(t.Context(), w.Tailnet)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(client.Devices(t.Context())).To(HaveLen(len(w.Control.Neighbours())))

	w.MakeReady(t)

	ExpectConditions(t, w.Accounts[1], "Ready True Ready")
	g.Expect(w.Accounts[1].Status.AvailabilityDomains[0].ShortName).To(Equal("ad-1"))
	w.ExpectNothingLeft(t)
}
