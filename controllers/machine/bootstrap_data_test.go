// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"crypto/rand"
	"encoding/base64"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestBadBootstrapDataIsToldAndHealsWhenFixed(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 40_000)
	_, _ = rand.Read(noise)
	for name, world := range map[string]struct {
		spoil   func(*corev1.Secret)
		reason  string
		message string
	}{
		"Ignition": {
			func(secret *corev1.Secret) { secret.Data["format"] = []byte("ignition") },
			"BootstrapDataInvalid", "cloud-config",
		},
		"no cloud-config": {
			func(secret *corev1.Secret) { secret.Data["value"] = []byte("#!/bin/sh\n") },
			"BootstrapDataInvalid", "#cloud-config",
		},
		"no value": {func(secret *corev1.Secret) { delete(secret.Data, "value") }, "BootstrapDataInvalid", "no bootstrap data in its key value"},
		"over the limit": {
			func(secret *corev1.Secret) {
				secret.Data["value"] = []byte("#cloud-config\n# " + base64.StdEncoding.EncodeToString(noise))
			},
			"UserDataTooLarge", "32000",
		},
	} {
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
