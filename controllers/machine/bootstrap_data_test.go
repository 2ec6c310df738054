// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

type badData struct {
	spoil   func(*corev1.Secret)
	reason  string
	message string
}

// badBootstrapData is bootstrap data that no machine is launched with.
var badBootstrapData = map[string]badData{
	"Ignition": {
		func(secret *corev1.Secret) { secret.Data["format"] = []byte("ignition") },
		"BootstrapDataInvalid", "cloud-config",
	},
	"no cloud-config": {
		func(secret *corev1.Secret) { secret.Data["value"] = []byte("#!/bin/sh\n") },
		"BootstrapDataInvalid", "#cloud-config",
	},
	"another provider's": {
		func(secret *corev1.Secret) {
			secret.Data["value"] = []byte("#cloud-config\nwrite_files:\n- {path: /etc/rancher/rke2/config.yaml, content: x}\nruncmd: [systemctl start rke2-server]\n")
		},
		"BootstrapDataInvalid", "CABPK",
	},
	"broken YAML": {
		func(secret *corev1.Secret) {
			secret.Data["value"] = []byte("#cloud-config\nruncmd:\n- [unterminated\n")
		},
		"BootstrapDataInvalid", "not valid YAML",
	},
	"kubeadm by an own path": {
		func(secret *corev1.Secret) {
			secret.Data["value"] = []byte("#cloud-config\nwrite_files:\n- {path: /etc/kubeadm/join.yaml, content: x}\nruncmd: [kubeadm join --config /etc/kubeadm/join.yaml]\n")
		},
		"BootstrapDataInvalid", "/run/kubeadm/kubeadm-join-config.yaml",
	},
	"no value": {func(secret *corev1.Secret) { delete(secret.Data, "value") }, "BootstrapDataInvalid", "no bootstrap data in its key value"},
	"over the limit": {
		func(secret *corev1.Secret) {
			noise := make([]byte, 40_000)
			_, _ = rand.Read(noise)
			secret.Data["value"] = []byte(helpers.BootstrapData + "# " + base64.StdEncoding.EncodeToString(noise))
		},
		"UserDataTooLarge", "32000",
	},
}

func TestBadBootstrapDataIsToldAndHealsWhenFixed(t *testing.T) {
	t.Parallel()
	for name, world := range badBootstrapData {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own := b.machine(t, "machine")
			secret := b.bootstrapSecret(t, own)
			good := secret.DeepCopy().Data
			helpers.Update(t, b.Environment, secret, world.spoil)

			b.untilCondition(t, own, "Ready False "+world.reason)
			g.Expect(helpers.MessageOf(own, infrav1.ReadyCondition)).To(ContainSubstring(world.message))
			g.Expect(b.calls("LaunchInstance")).To(BeZero())
			g.Expect(b.Control.Keys()).To(BeEmpty(), "no key is made for data that cannot be used")

			helpers.Update(t, b.Environment, secret, func(secret *corev1.Secret) { secret.Data = good })
			b.untilProvisioned(t, own)
		})
	}
}

func TestAnExternalCloudProviderIsToldAndKeepsNoMachineFromBeingReady(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	recorder := events.NewFakeRecorder(100)
	b.r.Recorder = recorder
	own := b.machine(t, "machine")
	helpers.Update(t, b.Environment, b.bootstrapSecret(t, own), func(secret *corev1.Secret) {
		secret.Data["value"] = []byte("#cloud-config\nwrite_files:\n- path: /run/kubeadm/kubeadm-join-config.yaml\n  content: |\n" +
			"    nodeRegistration:\n      kubeletExtraArgs: [{name: cloud-provider, value: external}]\nruncmd: [kubeadm join]\n")
	})

	b.untilProvisioned(t, own)

	g.Eventually(recorder.Events, time.Minute).Should(Receive(ContainSubstring("Warning ExternalCloudProvider")))
}

func TestAMissingBootstrapSecretIsToldAndHealsWhenItAppears(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "machine")
	secret := b.bootstrapSecret(t, own)
	g.Expect(b.Client.Delete(t.Context(), secret)).To(Succeed())
	b.untilCondition(t, own, "Ready False BootstrapDataInvalid")
	secret.ResourceVersion, secret.UID = "", ""
	g.Expect(b.Client.Create(t.Context(), secret)).To(Succeed())
	b.untilProvisioned(t, own)
}

func TestAMachineTellsWhichAgentsItsUserDataHasNoRoomFor(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		noise  int
		absent []string
	}{
		"all have room": {1000, nil}, "one has none": {9_500, []string{"capom-update"}}, "none has any": {11_200, []string{"capom-update", "capom-members"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			recorder := events.NewFakeRecorder(20)
			b.r.InPlaceUpdates, b.r.Recorder = true, recorder
			own := b.machine(t, "machine")
			// Letters of base64 do not shrink.
			noise := make([]byte, tc.noise)
			_, _ = rand.Read(noise)
			helpers.Update(t, b.Environment, b.bootstrapSecret(t, own), func(secret *corev1.Secret) {
				secret.Data["value"] = append(secret.Data["value"], []byte("# "+base64.StdEncoding.EncodeToString(noise)+"\n")...)
			})

			b.untilProvisioned(t, own)

			parsed, err := cloudinit.Parse(b.instances(t)[0].UserData)
			g.Expect(err).NotTo(HaveOccurred())
			condition := conditions.Get(own, infrav1.AgentsCompleteCondition)
			for _, agent := range []string{"capom-update", "capom-members"} {
				isAbsent := slices.Contains(tc.absent, agent)
				g.Expect(parsed.Files["usr/local/sbin/"+agent] == nil).To(Equal(isAbsent), agent)
				if condition != nil {
					g.Expect(strings.Contains(condition.Message, "Without "+agent+" (")).To(Equal(isAbsent), condition.Message)
				}
			}
			g.Expect(updates.HasAgent(own)).To(Equal(len(tc.absent) == 0))
			g.Expect(helpers.MessageOf(own, infrav1.ReadyCondition)).To(BeEmpty(), "it does not count for Ready")
			if tc.absent == nil {
				g.Expect(condition).To(BeNil())
				return
			}
			g.Expect(condition.Status).To(Equal(metav1.ConditionFalse))
			g.Expect(condition.Reason).To(Equal("NoRoomForAgent"))
			g.Eventually(recorder.Events, time.Minute).Should(Receive(Equal("Warning NoRoomForAgent " + condition.Message)))

			// A move brings no status.
			own.Status.Conditions = nil
			g.Expect(b.Client.Status().Update(t.Context(), own)).To(Succeed())
			b.untilCondition(t, own, "AgentsComplete False NoRoomForAgent")
			g.Expect(conditions.Get(own, infrav1.AgentsCompleteCondition).Message).To(Equal(condition.Message))
		})
	}
}
