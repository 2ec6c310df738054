// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// Users' routers may carry one of our tags: a node's key has all of them.
func TestADeviceMayBeANodeIfItHasAllTagsOfARole(t *testing.T) {
	tn := &infrav1.Tailnet{Spec: infrav1.TailnetSpec{NodeTags: []string{"tag:k8s", "tag:node"}, ControlPlaneTags: []string{"tag:k8s", "tag:control"}}}
	namespace := env.Namespace(t, nil)
	for name, world := range map[string]struct {
		tags     []string
		mayBe    bool
		describe string
	}{
		"no tags":              {nil, false, ", which is no node"},
		"tags of others":       {[]string{"tag:router"}, false, ", which is no node"},
		"one of ours":          {[]string{"tag:k8s"}, false, ", which is no node"},
		"one of each role":     {[]string{"tag:node", "tag:control"}, false, ", which is no node"},
		"a node's":             {[]string{"tag:node", "tag:k8s"}, true, ", which has a tag of nodes and is of no machine that this manager knows"},
		"a control plane's":    {[]string{"tag:control", "tag:k8s"}, true, ", which has a tag of nodes and is of no machine that this manager knows"},
		"a node's, and others": {[]string{"tag:router", "tag:node", "tag:k8s"}, true, ", which has a tag of nodes and is of no machine that this manager knows"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			cluster := helpers.NewCluster(namespace, "blue")

			holder, err := tailnetnode.Statuses{Client: env.Client}.HolderOf(t.Context(), tn, tailnet.Device{ID: "unknown", Tags: world.tags})

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(holder.MayBeOf()).To(Equal(world.mayBe))
			g.Expect(holder.IsOf(cluster)).To(BeFalse())
			g.Expect(holder.IsControlPlane()).To(BeFalse())
			g.Expect(holder.Describe(tn, cluster)).To(Equal(world.describe))
		})
	}
}

// What is said of a device with the tags of nodes that no object has recorded.
const (
	unknown  = ", which has a tag of nodes and is of no machine that this manager knows"
	leftOver = "delete the device if it is left over; if it is a node of another management cluster or namespace, give the cluster another pod network"
)

func TestADeviceIsWhoseObjectHasRecordedItAtTheSameServer(t *testing.T) {
	namespace, elsewhere := env.Namespace(t, nil), env.Namespace(t, nil)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "credentials"}}
	made := func(name, url string, apiURL ...string) *infrav1.Tailnet {
		tn := helpers.NewTailnet(namespace+"-"+name, secret, url, "")
		tn.Spec.APIURL = strings.Join(apiURL, "")
		env.Create(t, tn)
		return tn
	}
	own, same, other := made("own", "https://a.example"), made("same", "https://A.example:443/"), made("other", "https://b.example")
	withAPI := made("api", "https://a.example", "https://api.a.example")
	joined := metav1.Now()
	record := func(namespace, name, device string, in *infrav1.Tailnet, labels map[string]string) {
		machine := newMachine(namespace)
		machine.Name, machine.Labels = name, labels
		env.Create(t, machine)
		machine.Status.Tailnet = infrav1.TailnetDeviceStatus{Name: in.Name, DeviceID: device, DeviceCreated: joined}
		NewWithT(t).Expect(env.Client.Status().Update(t.Context(), machine)).To(Succeed())
	}
	blue := map[string]string{clusterv1.ClusterNameLabel: "blue"}
	record(namespace, "worker", namespace+"-1", own, blue)
	record(namespace, "control", namespace+"-2", same, map[string]string{clusterv1.ClusterNameLabel: "blue", clusterv1.MachineControlPlaneLabel: ""})
	record(namespace, "green", namespace+"-3", own, map[string]string{clusterv1.ClusterNameLabel: "green"})
	record(elsewhere, "worker", namespace+"-4", own, blue)
	record(elsewhere, "guest", namespace+"-5", same, blue)
	record(namespace, "api", namespace+"-8", withAPI, blue)
	// Identifiers count at one server only.
	record(namespace, "stranger", namespace+"-6", other, blue)
	// This server has given the number to another device since.
	joined = metav1.NewTime(joined.Add(-time.Hour))
	record(namespace, "lost", namespace+"-7", own, blue)
	cluster, created := helpers.NewCluster(namespace, "blue"), joined.Add(time.Hour)
	for device, world := range map[string]struct {
		ours, controlPlane bool
		describe, remedy   string
	}{
		"1": {true, false, ", a node of this cluster", "wait until that node is gone"},
		"2": {true, true, ", a node of this cluster", "wait until that node is gone"},
		"3": {false, false, ", a node of cluster " + namespace + "/green", "give one of the two clusters another pod network"},
		"4": {false, false, ", a node of cluster " + elsewhere + "/blue", "give one of the two clusters another pod network"},
		"5": {false, false, ", a node of another cluster", "give one of the two clusters another pod network"},
		"6": {false, false, unknown, leftOver},
		"7": {false, false, unknown, leftOver},
		"8": {true, false, ", a node of this cluster", "wait until that node is gone"},
	} {
		t.Run(device, func(t *testing.T) {
			g := NewWithT(t)

			holder, err := tailnetnode.Statuses{Client: env.Client}.HolderOf(t.Context(), own,
				tailnet.Device{ID: namespace + "-" + device, Tags: own.Spec.NodeTags, Created: created})

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(holder.IsOf(cluster)).To(Equal(world.ours))
			g.Expect(holder.IsControlPlane()).To(Equal(world.controlPlane))
			g.Expect(holder.MayBeOf()).To(Equal(world.describe == unknown))
			g.Expect(holder.Describe(own, cluster)).To(Equal(world.describe))
			g.Expect(holder.Remedy(cluster)).To(Equal(world.remedy))
		})
	}
}
