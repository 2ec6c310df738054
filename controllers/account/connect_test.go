// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestCredentialsThatMakeNoClientAreToldAndHeal(t *testing.T) {
	for name, world := range map[string]badAccount{
		"Secret missing": {
			spoil: func(t *testing.T, w *helpers.World) {
				NewWithT(t).Expect(env.Client.Delete(t.Context(), w.Credentials[0].DeepCopy())).To(Succeed())
			},
			fix: func(t *testing.T, w *helpers.World) {
				w.Credentials[0].ResourceVersion, w.Credentials[0].UID = "", ""
				env.Create(t, w.Credentials[0])
			},
			want:    []string{"CredentialsValid False SecretNotFound", "CompartmentAccessible Unknown Waiting", "Ready False SecretNotFound"},
			message: "create it",
		},
		"key malformed": {
			spoil:   changeSecret("key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
			fix:     restoreSecret,
			want:    []string{"CredentialsValid False SecretInvalid", "CompartmentAccessible Unknown Waiting", "Ready False SecretInvalid"},
			message: "private key",
		},
		"wrong fingerprint": {
			spoil:   changeSecret("fingerprint", "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"),
			fix:     restoreSecret,
			want:    []string{"CredentialsValid False SecretInvalid", "CompartmentAccessible Unknown Waiting", "Ready False SecretInvalid"},
			message: "does not belong to the key",
		},
	} {
		t.Run(name, world.expectToldAndHealed)
	}
}
