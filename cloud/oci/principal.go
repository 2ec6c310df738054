// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"crypto/md5" // OCI defines an API key's fingerprint as MD5; nothing is protected by it.
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/common/auth"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// PrincipalType is the way requests are signed.
type PrincipalType string

const (
	// UserPrincipalType signs with a user's API key.
	UserPrincipalType PrincipalType = "UserPrincipal"
	// InstancePrincipalType signs as the process's own OCI instance.
	InstancePrincipalType PrincipalType = "InstancePrincipal"
	// WorkloadIdentityType signs as the service account of the pod on OKE.
	WorkloadIdentityType PrincipalType = "WorkloadIdentity"
)

// Principal is who acts.
type Principal struct {
	// Type of the principal.
	Type PrincipalType
	// User is read for UserPrincipalType only.
	User UserPrincipal
}

// UserPrincipal is a user's API key. It prints as a placeholder, whatever the verb.
type UserPrincipal struct {
	// TenancyID and UserID are OCIDs.
	TenancyID, UserID string
	// Fingerprint of the key's public half: MD5 in hex pairs with colons.
	Fingerprint string
	// PrivateKeyPEM is the RSA key, PKCS#1 or PKCS#8, possibly encrypted.
	PrivateKeyPEM []byte
	// Passphrase of an encrypted key; may be empty.
	Passphrase string
}

// Format keeps the key out of logs and messages.
func (UserPrincipal) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte("[user principal]")) }

// MarshalJSON keeps the key out of structured logs.
func (UserPrincipal) MarshalJSON() ([]byte, error) { return []byte(`"[user principal]"`), nil }

// whereOf is where a process can have each principal.
var whereOf = map[PrincipalType]string{
	InstancePrincipalType: "an instance at OCI, with its metadata service in reach",
	WorkloadIdentityType:  "a pod of an enhanced OKE cluster with its service account mounted",
}

// newProvider builds the SDK's view of the principal. A user principal is checked without any call;
// the others ask the metadata service or the cluster for a first token.
func newProvider(config Config) (common.ConfigurationProvider, error) {
	var provider common.ConfigurationProvider
	var err error
	switch config.Principal.Type {
	case UserPrincipalType:
		return newUserProvider(config.Principal.User, config.Region)
	case InstancePrincipalType:
		provider, err = auth.InstancePrincipalConfigurationProviderForRegion(common.StringToRegion(config.Region))
	case WorkloadIdentityType:
		provider, err = workloadIdentity(auth.NewDefaultServiceAccountTokenProvider(), config.Region)
	default:
		return nil, badCredentials("the principal type %q is not known", config.Principal.Type)
	}
	if err != nil {
		return nil, badCredentials("the provider cannot act as %s where it runs, which must be %s: %s",
			config.Principal.Type, whereOf[config.Principal.Type], err)
	}
	return regionalProvider{ConfigurationProvider: provider, region: config.Region}, nil
}

// workloadIdentity has OKE tell, at each renewal, that the pod's service account is asking. The SDK
// reads which form of principals is spoken, and a region, from the environment only, and refuses to
// begin without (common/auth/resource_principal_key_provider.go). Neither is for anybody to choose:
// there is one form for OKE, and regionalProvider has each account's region. What stands in the
// pod's manifest is left.
func workloadIdentity(tokens auth.ServiceAccountTokenProvider, region string) (common.ConfigurationProvider, error) {
	for name, value := range map[string]string{
		auth.ResourcePrincipalVersionEnvVar: auth.ResourcePrincipalVersion2_2,
		auth.ResourcePrincipalRegionEnvVar:  region,
	} {
		if os.Getenv(name) != "" {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	return auth.OkeWorkloadIdentityConfigurationProviderWithServiceAccountTokenProvider(tokens)
}

// regionalProvider acts in the account's region, whatever region the process runs in.
type regionalProvider struct {
	common.ConfigurationProvider
	region string
}

func (p regionalProvider) Region() (string, error) { return p.region, nil }

// userProvider holds the parsed key: the SDK's own provider decodes the PEM text for every request.
type userProvider struct {
	user   UserPrincipal
	region string
	key    *rsa.PrivateKey
}

func newUserProvider(user UserPrincipal, region string) (*userProvider, error) {
	const cutOffWords = "the %s in the Secret is cut off, as OCI's console shows it: copy all of it"
	switch {
	case cutOff.MatchString(user.TenancyID):
		return nil, badCredentials(cutOffWords, "tenancy")
	case cutOff.MatchString(user.UserID):
		return nil, badCredentials(cutOffWords, "user")
	}
	user = user.normalised()
	switch {
	case strings.HasPrefix(user.TenancyID, "ocid1.user.") && strings.HasPrefix(user.UserID, "ocid1.tenancy."):
		return nil, badCredentials("the tenancy in the Secret is not the OCID of a tenancy: tenancy and user are swapped")
	case tenancyForm.FindString(user.TenancyID) != user.TenancyID || user.TenancyID == "":
		return nil, badCredentials("the tenancy in the Secret is not the OCID of a tenancy, ocid1.tenancy.…")
	case userForm.FindString(user.UserID) != user.UserID || user.UserID == "":
		return nil, badCredentials("the user in the Secret is not the OCID of a user, ocid1.user.…")
	case user.Fingerprint == "":
		return nil, badCredentials("the fingerprint in the Secret is empty")
	}
	key, err := parseKey(user.PrivateKeyPEM, user.Passphrase)
	if err != nil {
		return nil, err
	}
	fingerprint, err := Fingerprint(&key.PublicKey)
	if err != nil {
		return nil, badCredentials("the key in the Secret has no usable public half")
	}
	if !strings.EqualFold(fingerprint, user.Fingerprint) {
		return nil, badCredentials("the fingerprint in the Secret does not belong to the key: the key's own is %s", fingerprint)
	}
	user.Fingerprint = fingerprint
	user.PrivateKeyPEM, user.Passphrase = nil, ""
	return &userProvider{user: user, region: region, key: key}, nil
}

func parseKey(text []byte, passphrase string) (*rsa.PrivateKey, error) {
	block, reason := pastedKey(text)
	if reason != "" {
		return nil, badCredentials("the key in the Secret %s", reason)
	}
	// A passphrase may begin and end with quotes of its own, or with those that it was pasted with.
	for _, candidate := range []string{passphrase, cloud.Pasted([]byte(passphrase))} {
		var password []byte
		if candidate != "" {
			password = []byte(candidate)
		}
		// The SDK's errors are not passed on: they come from decoding secret material.
		key, err := common.PrivateKeyFromBytesWithPassword(pem.EncodeToMemory(block), password)
		if err == nil && key != nil {
			return key, nil
		}
	}
	switch {
	case isEncrypted(block) && passphrase == "":
		return nil, badCredentials("the key in the Secret is encrypted and the Secret has no passphrase")
	case isEncrypted(block):
		return nil, badCredentials("the passphrase in the Secret does not open the key")
	}
	return nil, badCredentials("the key in the Secret is not an RSA private key in PKCS#1 or PKCS#8")
}

func isEncrypted(block *pem.Block) bool {
	return block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
}

// Fingerprint of an API key as OCI computes it: the MD5 of the public key's DER form, hex pairs
// with colons. Source: OCI documentation, "Required Keys and OCIDs".
func Fingerprint(key *rsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("encoding the public key: %w", err)
	}
	sum := md5.Sum(der)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(pairs, ":"), nil
}

// PrivateRSAKey returns the key.
func (p *userProvider) PrivateRSAKey() (*rsa.PrivateKey, error) { return p.key, nil }

// KeyID names the key in signatures.
func (p *userProvider) KeyID() (string, error) {
	return p.user.TenancyID + "/" + p.user.UserID + "/" + p.user.Fingerprint, nil
}

// TenancyOCID returns the tenancy.
func (p *userProvider) TenancyOCID() (string, error) { return p.user.TenancyID, nil }

// UserOCID returns the user.
func (p *userProvider) UserOCID() (string, error) { return p.user.UserID, nil }

// KeyFingerprint returns the fingerprint.
func (p *userProvider) KeyFingerprint() (string, error) { return p.user.Fingerprint, nil }

// Region returns the account's region.
func (p *userProvider) Region() (string, error) { return p.region, nil }

// AuthType reports nothing to refresh.
func (p *userProvider) AuthType() (common.AuthConfig, error) {
	return common.AuthConfig{AuthType: common.UnknownAuthenticationType}, nil
}

func badCredentials(format string, args ...any) error {
	return &cloud.Error{Kind: cloud.InvalidCredentials, Message: cloud.Scrub(fmt.Sprintf(format, args...))}
}
