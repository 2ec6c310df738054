// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// NewCredentials is the Secret with a user's API key.
func NewCredentials(namespace, name string, user sim.Credentials) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Data: map[string][]byte{
			infrav1.CredentialsTenancyKey:     []byte(user.TenancyOCID),
			infrav1.CredentialsUserKey:        []byte(user.UserOCID),
			infrav1.CredentialsFingerprintKey: []byte(user.Fingerprint),
			infrav1.CredentialsPrivateKeyKey:  []byte(user.PrivateKeyPEM),
		},
	}
}

// NewOCIAccount is an account with the user's key in the Secret, usable from the Secret's
// namespace.
func NewOCIAccount(name string, credentials *corev1.Secret, region, compartmentID, endpoint string) *infrav1.OCIAccount {
	return &infrav1.OCIAccount{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: infrav1.OCIAccountSpec{
			Region:        region,
			CompartmentID: compartmentID,
			Endpoint:      endpoint,
			Credentials: infrav1.OCICredentials{
				Type:      infrav1.UserPrincipal,
				SecretRef: infrav1.SecretReference{Namespace: credentials.Namespace, Name: credentials.Name},
			},
			AllowedNamespaces: infrav1.AllowedNamespaces{List: []string{credentials.Namespace}},
		},
	}
}

// NewTailnet is a tailnet with an OAuth client in the Secret, usable from the Secret's namespace.
func NewTailnet(name string, credentials *corev1.Secret, url, vipRange string) *infrav1.Tailnet {
	return &infrav1.Tailnet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: infrav1.TailnetSpec{
			LoginServer: url,
			Credentials: infrav1.TailnetCredentials{
				Type:      infrav1.OAuthClient,
				SecretRef: infrav1.SecretReference{Namespace: credentials.Namespace, Name: credentials.Name},
			},
			NodeTags:          []string{NodeTag},
			ControlPlaneTags:  []string{ControlPlaneTag},
			VIPRange:          vipRange,
			AllowedNamespaces: infrav1.AllowedNamespaces{List: []string{credentials.Namespace}},
		},
	}
}

// The tags in the simulated tailnet's policy. The OAuth client holds the provider's, and this owns
// the others: a client gives only its own tags, all together, or tags owned by these.
const (
	ProviderTag     = "tag:capom"
	NodeTag         = "tag:capom-node"
	ControlPlaneTag = "tag:capom-control-plane"
)
