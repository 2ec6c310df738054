// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package upkeep

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/clouds"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	version, nextVersion = "v1.36.2", "v1.37.1"

	// timeout is the time limit of any step on a busy machine.
	timeout  = 4 * time.Minute
	interval = 200 * time.Millisecond
)

// freeAccounts have room for one machine each; paidAccount has room.
var (
	freeAccounts = []string{"free-1", "free-2", "free-3", "free-4"}
	paidAccount  = "paid"
)

// cluster is a cluster of a test, in a namespace and in accounts of its own.
type cluster struct {
	*WithT
	t         *testing.T
	namespace string
	accounts  []string
	// version is the control planes'; templates are the machines', once changed.
	version   string
	templates []string
	last      watch.Snapshot
}

// create has clusterctl generate a cluster, and creates its objects as changed.
func create(t *testing.T, namespace string, accounts []string, g user.Generation, change func(*WithT, *unstructured.Unstructured)) *cluster {
	t.Helper()
	c := &cluster{WithT: NewWithT(t), t: t, namespace: namespace, accounts: accounts, version: version}
	c.Expect(suite.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	g.Clusterctl, g.Kubeconfig, g.Release, g.Dir = suite.Clusterctl, suite.management.Kubeconfig, suite.release, t.TempDir()
	g.Name, g.Namespace, g.Version = namespace, namespace, version
	g.Environment = append(g.Environment, "OCIMESH_TAILNET="+clouds.TailnetName, "OCIMESH_NODE_UNHEALTHY_TIMEOUT=3")
	for i, account := range accounts {
		g.Environment = append(g.Environment, fmt.Sprintf("OCIMESH_ACCOUNT_%d=%s", i+1, account))
	}
	objects, err := user.Generate(t.Context(), g)
	c.Expect(err).NotTo(HaveOccurred())
	for _, o := range objects {
		change(c.WithT, o)
	}
	c.Expect(user.Create(t.Context(), suite.client, objects)).To(Succeed())
	c.await(func(s watch.Snapshot) string { return s.Complete(g.ControlPlanes, g.Workers, version) })
	return c
}

// await polls the cluster until nothing is missing any more.
func (c *cluster) await(missing func(watch.Snapshot) string) {
	c.t.Helper()
	c.Eventually(func(g Gomega) string {
		g.Expect(suite.management.Failed()).NotTo(Receive())
		var err error
		c.last, err = watch.Take(c.t.Context(), suite.client, c.namespace)
		g.Expect(err).NotTo(HaveOccurred())
		return missing(c.last)
	}, timeout, interval).Should(BeEmpty())
}

// machines are the cluster's instances but TERMINATED ones, by OCID.
func (c *cluster) machines() map[string]sim.Machine {
	c.t.Helper()
	out := map[string]sim.Machine{}
	for _, account := range c.accounts {
		machines, err := suite.OCI.Machines(account)
		c.Expect(err).NotTo(HaveOccurred())
		for _, machine := range machines {
			if machine.FreeformTags[infrav1.ClusterUIDTag] != "" {
				out[machine.ID] = machine
			}
		}
	}
	return out
}

// instances are the OCIDs of the cluster's machines.
func (c *cluster) instances() []string { return slices.Sorted(maps.Keys(c.machines())) }

// calls counts the successful calls to an operation in the cluster's accounts.
func (c *cluster) calls(operation string) int {
	count := 0
	for _, call := range suite.OCI.Calls() {
		if call.Operation == operation && call.Status < 300 && slices.Contains(c.accounts, call.Tenancy) {
			count++
		}
	}
	return count
}

// delete deletes the cluster, and expects that nothing of it is left in its accounts.
func (c *cluster) delete() {
	c.t.Helper()
	c.Expect(suite.client.Delete(c.t.Context(), c.last.Cluster)).To(Succeed())
	c.await(func(s watch.Snapshot) string {
		if s.Empty() {
			return ""
		}
		return "all of the cluster to be gone"
	})
	c.Expect(c.instances()).To(BeEmpty())
}
