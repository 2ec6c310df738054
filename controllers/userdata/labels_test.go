// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package userdata

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
)

const domain = "Uocm:EU-FRANKFURT-1-AD-1"

func accountOf(name string) *infrav1.OCIAccount {
	account := &infrav1.OCIAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	account.Spec.Region = "eu-frankfurt-1"
	account.Status.AvailabilityDomains = []infrav1.AvailabilityDomain{{Name: domain, ShortName: "ad-1"}}
	return account
}

func cluster() *clusterv1.Cluster {
	return &clusterv1.Cluster{Spec: clusterv1.ClusterSpec{ControlPlaneEndpoint: clusterv1.APIEndpoint{Host: "10.0.0.1", Port: 6443}}}
}

func TestANodesLabelsSayWhereItIs(t *testing.T) {
	long := strings.Repeat("a", 60)
	for name, tc := range map[string]struct {
		place  Place
		labels map[string]string
		zone   string
	}{
		"a machine": {
			Place{Account: accountOf("alice"), AvailabilityDomain: domain, FaultDomain: "FAULT-DOMAIN-2", Shape: "VM.Standard.A1.Flex", Preemptible: ptr.To(true)},
			map[string]string{
				"topology.kubernetes.io/region":    "eu-frankfurt-1",
				"topology.kubernetes.io/zone":      "alice-ad-1",
				"node.kubernetes.io/instance-type": "VM.Standard.A1.Flex",
				infrav1.NodeAccountLabel:           "alice",
				infrav1.NodeFaultDomainLabel:       "FAULT-DOMAIN-2",
				infrav1.NodePreemptibleLabel:       "true",
			}, "",
		},
		"a pool": {
			Place{Account: accountOf("alice"), Shape: "VM.Standard.E5.Flex", Preemptible: ptr.To(false)},
			map[string]string{
				"topology.kubernetes.io/region":    "eu-frankfurt-1",
				"node.kubernetes.io/instance-type": "VM.Standard.E5.Flex",
				infrav1.NodeAccountLabel:           "alice",
			}, "alice-",
		},
		"an account with a long name": {
			Place{Account: accountOf(long), AvailabilityDomain: domain},
			map[string]string{
				"topology.kubernetes.io/region": "eu-frankfurt-1",
				"topology.kubernetes.io/zone":   long[:49] + "-11ee3912-ad-1",
				infrav1.NodeAccountLabel:        long,
			}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			node := Node{
				Place: tc.place, Secret: &corev1.Secret{}, InfraCluster: &infrav1.OCIMeshCluster{}, Tailnet: &infrav1.Tailnet{}, Cluster: cluster(),
			}

			input, err := Input(node)

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(input.Labels).To(Equal(tc.labels))
			g.Expect(input.ZonePrefix).To(Equal(tc.zone))
			for _, value := range input.Labels {
				g.Expect(validation.IsValidLabelValue(value)).To(BeEmpty())
			}
			g.Expect(validation.IsValidLabelValue(input.ZonePrefix + "ad-1")).To(BeEmpty())
		})
	}
	t.Run("no two accounts share a zone", func(t *testing.T) {
		one, other := Place{Account: accountOf(long + "b")}, Place{Account: accountOf(long + "c")}
		NewWithT(t).Expect(one.zoneAccount()).NotTo(Equal(other.zoneAccount()))
	})
}

func TestKubeletMaySetTheLabels(t *testing.T) {
	g := NewWithT(t)
	server := &envtest.Environment{ControlPlaneStartTimeout: 2 * time.Minute}
	server.ControlPlane.GetAPIServer().Configure().Append("enable-admission-plugins", "NodeRestriction")
	g.Expect(ports.ForServer(t.Context(), server)).To(Succeed())
	config, err := server.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = server.Stop() })
	admin, err := client.New(config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	// What the Node authorizer allows; admission is what is tested here.
	g.Expect(admin.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "kubelets"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:node"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:nodes"}},
	})).To(Succeed())
	kubelet := rest.CopyConfig(config)
	kubelet.Impersonate = rest.ImpersonationConfig{UserName: "system:node:n1", Groups: []string{"system:nodes"}}
	own, err := client.New(kubelet, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	place := Place{Account: accountOf("alice"), AvailabilityDomain: domain, FaultDomain: "FAULT-DOMAIN-2", Shape: "VM.Standard.A1.Flex", Preemptible: ptr.To(true)}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: place.labels()}}

	// The authorizer learns of the binding by a watch.
	g.Eventually(func() error { return own.Create(t.Context(), node) }).WithTimeout(time.Minute).Should(Succeed())

	g.Expect(node.Labels).To(HaveLen(6))
	foreign := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"node-restriction.kubernetes.io/a": "b"}}}
	g.Expect(admin.Delete(t.Context(), node)).To(Succeed())
	g.Expect(apierrors.IsForbidden(own.Create(t.Context(), foreign))).To(BeTrue(), "the plugin is on")
}

func TestAMessageForUsersIsASentence(t *testing.T) {
	g := NewWithT(t)
	input := cloudinit.Input{Bootstrap: []byte("#!/bin/sh\n")}

	_, err := Render(input, "tskey-auth-x", infrav1.OCIMeshMachineSpec{})

	g.Expect(access.AsProblem(err).Message).To(HavePrefix("The bootstrap data cannot make a node: the data is a script"))
}
