// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci/session"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// OCI returns the client of the account, built at the first call for a version of its credentials.
// With a user principal nothing is sent. Problems: SecretNotFound, SecretInvalid, RequestRefused
// for a malformed endpoint.
func (c *Clients) OCI(ctx context.Context, account *infrav1.OCIAccount) (*oci.Client, error) {
	spec, key := account.Spec, sessionKey(account)
	var read func() (*corev1.Secret, error)
	if spec.Credentials.Type.HasSecret() {
		found, err := c.credentials(ctx, spec.Credentials.SecretRef)
		if err != nil {
			return nil, err
		}
		key.SecretUID, key.SecretVersion = found.uid, found.version
		read = found.read
	}
	client, err := c.sessions.Client(ctx, key, func() (*oci.Client, error) {
		signer, err := principal(spec.Credentials.Type, read)
		if err != nil {
			return nil, err
		}
		return oci.NewClient(oci.Config{
			AccountName: account.Name, Principal: signer, Region: spec.Region, CompartmentID: spec.CompartmentID,
			Endpoint: spec.Endpoint, RequestTimeout: c.options.RequestTimeout, Limits: c.options.Limits,
			Metrics: c.options.OCIMetrics,
		})
	})
	if err != nil {
		return nil, inSecret(err, spec.Credentials.SecretRef)
	}
	return client, nil
}

// sessionKey is all of the account that its client is built from, but for its Secret.
func sessionKey(account *infrav1.OCIAccount) session.Key {
	spec := account.Spec
	return session.Key{
		AccountUID: string(account.UID), Type: oci.PrincipalType(spec.Credentials.Type),
		Region: spec.Region, Endpoint: spec.Endpoint, CompartmentID: spec.CompartmentID,
	}
}

// principal is what signs the requests. read is only called for a user principal.
func principal(kind infrav1.CredentialsType, read func() (*corev1.Secret, error)) (oci.Principal, error) {
	if !kind.HasSecret() {
		return oci.Principal{Type: oci.PrincipalType(kind)}, nil
	}
	secret, err := read()
	if err != nil {
		return oci.Principal{}, err
	}
	return userPrincipal(secret)
}

func userPrincipal(secret *corev1.Secret) (oci.Principal, error) {
	err := require(secret, infrav1.CredentialsTenancyKey, infrav1.CredentialsUserKey,
		infrav1.CredentialsFingerprintKey, infrav1.CredentialsPrivateKeyKey)
	if err != nil {
		return oci.Principal{}, err
	}
	return oci.Principal{Type: oci.UserPrincipalType, User: oci.UserPrincipal{
		TenancyID:     text(secret, infrav1.CredentialsTenancyKey),
		UserID:        text(secret, infrav1.CredentialsUserKey),
		Fingerprint:   text(secret, infrav1.CredentialsFingerprintKey),
		PrivateKeyPEM: secret.Data[infrav1.CredentialsPrivateKeyKey],
		Passphrase:    text(secret, infrav1.CredentialsPassphraseKey),
	}}, nil
}

// TailnetClient returns the client of the tailnet, built at the first call for a version of its
// spec and credentials. Nothing is sent. Problems: SecretNotFound, SecretInvalid, RequestRefused
// for a malformed URL.
func (c *Clients) TailnetClient(ctx context.Context, tn *infrav1.Tailnet) (*tailnet.Client, error) {
	found, err := c.credentials(ctx, tn.Spec.Credentials.SecretRef)
	if err != nil {
		return nil, err
	}
	key := tailnet.CacheKey{
		UID: string(tn.UID), Generation: tn.Generation, SecretUID: found.uid, SecretVersion: found.version,
	}
	client, err := c.tailnets.Get(key, func() (tailnet.Config, error) {
		secret, err := found.read()
		if err != nil {
			return tailnet.Config{}, err
		}
		return c.tailnetConfig(tn, secret)
	})
	if err != nil {
		return nil, inSecret(err, tn.Spec.Credentials.SecretRef)
	}
	return client, nil
}

func (c *Clients) tailnetConfig(tn *infrav1.Tailnet, secret *corev1.Secret) (tailnet.Config, error) {
	config := tailnet.Config{
		Name: tn.Name, APIURL: tn.Spec.APIURL, Tailnet: tn.Spec.TailnetName,
		Timeout: c.options.RequestTimeout, Limits: c.options.TailnetLimits, Metrics: c.options.Series.registerer(),
	}
	if config.APIURL == "" {
		config.APIURL = tn.Spec.LoginServer
	}
	switch tn.Spec.Credentials.Type {
	case infrav1.OAuthClient:
		if err := require(secret, infrav1.TailnetClientIDKey, infrav1.TailnetClientSecretKey); err != nil {
			return tailnet.Config{}, err
		}
		id, err := tailnetValue(secret, infrav1.TailnetClientIDKey, "")
		if err != nil {
			return tailnet.Config{}, err
		}
		clientSecret, err := tailnetValue(secret, infrav1.TailnetClientSecretKey, "client")
		if err != nil {
			return tailnet.Config{}, err
		}
		config.OAuth = &tailnet.OAuth{ClientID: id, ClientSecret: tailnet.Secret(clientSecret)}
	case infrav1.APIKey:
		if err := require(secret, infrav1.TailnetAPIKeyKey); err != nil {
			return tailnet.Config{}, err
		}
		key, err := tailnetValue(secret, infrav1.TailnetAPIKeyKey, "api")
		if err != nil {
			return tailnet.Config{}, err
		}
		config.APIKey = tailnet.Secret(key)
	default:
		return tailnet.Config{}, fmt.Errorf("credentials type %q is not known", tn.Spec.Credentials.Type)
	}
	return config, nil
}

// text trims the line end that editors and echo leave behind.
func text(secret *corev1.Secret, key string) string {
	return strings.TrimSpace(string(secret.Data[key]))
}

// inSecret adds to errors of credentials where these are.
func inSecret(err error, ref infrav1.SecretReference) error {
	if !cloud.IsKind(err, cloud.InvalidCredentials) || ref.Name == "" {
		return err
	}
	problem := AsProblem(err)
	problem.Message = fmt.Sprintf("Secret %s/%s: %s", ref.Namespace, ref.Name, problem.Message)
	return problem
}
