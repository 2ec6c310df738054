// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestCredentialsThatMakeNoClientAreToldAndHeal(t *testing.T) {
	for name, world := range map[string]badTailnet{
		"Secret missing": {
			spoil: func(t *testing.T, w *helpers.World) {
				NewWithT(t).Expect(env.Client.Delete(t.Context(), w.TailnetCredentials.DeepCopy())).To(Succeed())
			},
			fix: func(t *testing.T, w *helpers.World) {
				w.TailnetCredentials.ResourceVersion, w.TailnetCredentials.UID = "", ""
				env.Create(t, w.TailnetCredentials)
			},
			reason: infrav1.SecretNotFoundReason, message: "create it",
		},
		"client secret missing": {
			spoil:  changeSecret(infrav1.TailnetClientSecretKey, ""),
			fix:    newClient("auth_keys", "devices:core", "devices:routes"),
			reason: infrav1.SecretInvalidReason, message: "clientSecret",
		},
	} {
		t.Run(name, world.expectToldAndHealed)
	}
}
