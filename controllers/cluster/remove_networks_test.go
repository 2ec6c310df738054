// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/events"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

type silence struct {
	spoil func(*bench)
	fix   func(*bench)
}

// silences are why the second account does not answer, and how it does again.
var silences = map[string]silence{
	"service unavailable": {
		func(b *bench) {
			b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[1].Name, Status: 503, Code: "ServiceUnavailable", Times: -1})
		},
		func(b *bench) { b.OCI.ClearFaults() },
	},
	"key revoked": {
		func(b *bench) {
			b.g.Expect(b.OCI.RevokeKey(b.Tenancies[1].Name, string(b.Credentials[1].Data["fingerprint"]))).To(Succeed())
		},
		func(b *bench) { b.g.Expect(b.OCI.RestoreUsers(b.Tenancies[1])).To(Succeed()) },
	},
	"permission lost": {
		// OCI answers as if nothing were there: no evidence.
		func(b *bench) {
			b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[1].Name, Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})
		},
		func(b *bench) { b.OCI.ClearFaults() },
	},
	"Secret missing": {
		func(b *bench) {
			b.g.Expect(env.Client.Delete(b.t.Context(), b.Credentials[1].DeepCopy())).To(Succeed())
		},
		func(b *bench) {
			b.Credentials[1].ResourceVersion, b.Credentials[1].UID = "", ""
			env.Create(b.t, b.Credentials[1])
		},
	},
	"account gone": {
		func(b *bench) { b.g.Expect(env.Client.Delete(b.t.Context(), b.Accounts[1].DeepCopy())).To(Succeed()) },
		func(b *bench) {
			b.Accounts[1].ResourceVersion, b.Accounts[1].UID = "", ""
			env.Create(b.t, b.Accounts[1])
		},
	},
}

func TestAnAccountThatDoesNotAnswerKeepsTheFinalizer(t *testing.T) {
	t.Parallel()
	for name, world := range silences {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 2})
			infra := b.cluster("c1")
			b.until(infra, "Ready True Ready")
			world.spoil(b)
			b.g.Expect(env.Client.Delete(t.Context(), infra.DeepCopy())).To(Succeed())

			b.until(infra, "Deleting True WaitingForAccount")
			b.g.Eventually(func() []infrav1.ClusterAccountStatus {
				b.until(infra, "Deleting True WaitingForAccount")
				return infra.Status.Accounts
			}, timeout, "5ms").Should(HaveLen(1), "the other account is done with")
			b.g.Expect(helpers.MessageOf(infra, infrav1.DeletingCondition)).To(ContainSubstring(b.Accounts[1].Name))
			b.Reload(t, b.Tailnet)
			b.g.Expect(b.Tailnet.Status.VIPAllocations).To(HaveLen(1), "the address is given back last")

			world.fix(b)
			b.untilGone(infra)
			b.ExpectNothingLeft(t)
		})
	}
}

func TestAnAccountThatDoesNotAllowTheNamespaceAnyMoreIsCleanedUpAllTheSame(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	helpers.Update(t, env, b.Accounts[0], func(a *infrav1.OCIAccount) { a.Spec.AllowedNamespaces.List = []string{"else"} })

	b.deleted(infra)

	b.ExpectNothingLeft(t)
}

func TestANetworkWhoseOCIDWasLostIsWaitedForAndFound(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1, Sim: sim.Options{Delays: &sim.Delays{ListLag: 300 * time.Millisecond, Retention: time.Hour}}})
	b.r.Options.ListLag = time.Second
	infra := b.cluster("c1")
	// The VCN is made, the process dies before it is written down, and the lists do not show it
	// yet.
	b.OCI.AddFault(sim.Fault{Operation: "CreateVcn", AfterCommit: true, Reset: true})
	b.g.Eventually(func() int { _, _ = b.reconcile(infra); return b.count("CreateVcn") }, timeout, "1ms").Should(Equal(1))
	b.g.Expect(infra.Status.Accounts[0].VCNID).To(BeEmpty())

	b.deleted(infra)

	b.ExpectNothingLeft(t)
	b.g.Expect(b.count("DeleteVcn")).To(BeNumerically(">=", 1))
}

// Whoever replaces all tags of a thing takes it away from the cluster.
func TestWhatLostItsTagsIsToldOfAndLeft(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	b.r.Options.NetworkInterval = time.Nanosecond
	recorder := events.NewFakeRecorder(1000)
	infra := b.cluster("c1", balanced(infrav1.EndpointNetworkLoadBalancer))
	b.until(infra, "Ready True Ready")
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	b.g.Expect(err).NotTo(HaveOccurred())
	vcn, balancer := infra.Status.Accounts[0].VCNID, infra.Status.LoadBalancer.ID
	b.g.Expect(c.UpdateVCNTags(t.Context(), ownership.Recorded(vcn), map[string]string{"cost": "x"})).To(Succeed())
	change := oci.TagChange{Key: infrav1.ClusterUIDTag, From: string(infra.UID), To: "x"}
	_, err = b.service(infra.Spec.EndpointType).UpdateTag(t.Context(), ownership.Recorded(balancer), change)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Eventually(func() map[string]string { return b.balancerOf(infra).Tags }, timeout, time.Millisecond).Should(HaveKeyWithValue(change.Key, "x"))

	b.until(infra, "NetworkReady False NetworkFailed")
	b.g.Expect(helpers.MessageOf(infra, infrav1.NetworkReadyCondition)).To(And(ContainSubstring(vcn), ContainSubstring("put the tags back")))

	b.r.Recorder = recorder
	b.deleted(infra)

	b.g.Expect(b.balancers(0)).To(Equal([]string{balancer}))
	close(recorder.Events)
	var told []string
	for event := range recorder.Events {
		told = append(told, event)
	}
	b.g.Expect(told).To(ContainElements(
		HavePrefix("Warning LeftUntagged VCN "+vcn+" stays"), HavePrefix("Warning LeftUntagged Load balancer "+balancer+" stays")))
}

func TestForeignResourcesInTheVCNAreNotTouched(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	b.OCI.AddFault(sim.Fault{
		Operation: "DeleteVcn", Status: 409, Code: "Conflict", Message: "The VCN has a subnet that is somebody's.", Times: 3,
	})
	b.g.Expect(env.Client.Delete(t.Context(), infra.DeepCopy())).To(Succeed())

	b.until(infra, "Deleting True NetworkInUse")

	b.g.Expect(helpers.MessageOf(infra, infrav1.DeletingCondition)).To(ContainSubstring("somebody's"))
	b.untilGone(infra)
	b.ExpectNothingLeft(t)
}
