// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"crypto/rand"
	"encoding/base64"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

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

func TestUserDataWithoutRoomForTheAgentGoesWithoutIt(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	recorder := events.NewFakeRecorder(20)
	b.r.InPlaceUpdates, b.r.Recorder = true, recorder
	own := b.machine(t, "machine")
	secret := b.bootstrapSecret(t, own)
	// Letters of base64 do not shrink: of 32,000 bytes these leave some hundred.
	noise := make([]byte, 9_200)
	_, _ = rand.Read(noise)
	helpers.Update(t, b.Environment, secret, func(secret *corev1.Secret) {
		secret.Data["value"] = append(secret.Data["value"], []byte("# "+base64.StdEncoding.EncodeToString(noise)+"\n")...)
	})

	b.untilProvisioned(t, own)

	g.Expect(updates.HasAgent(own)).To(BeFalse())
	parsed, err := cloudinit.Parse(b.instances(t)[0].UserData)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(parsed.Files).NotTo(HaveKey("usr/local/sbin/capom-update"))
	g.Expect(recorder.Events).To(Receive(ContainSubstring("NoRoomForAgent")))
}
