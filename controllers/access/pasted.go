// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

var (
	// tailnetKey is a key of Tailscale's or of Headscale's since 0.28 (Tailscale's documentation,
	// "Key prefixes").
	tailnetKey = regexp.MustCompile(`\b(ts|hs)key-[a-z]+-[A-Za-z0-9_-]+`)
	// plainKey is one of an older Headscale, or an OAuth client's id.
	plainKey = regexp.MustCompile(`^[!-~]+$`)
	// masked is what consoles, and examples, put in place of letters, maskedKey a key with it.
	masked    = regexp.MustCompile(`\*{2}|\.{3}|[…•●]`)
	maskedKey = regexp.MustCompile(`\b(ts|hs)key-[a-z]+-[A-Za-z0-9_-]*(` + masked.String() + `)`)
)

// keyKinds are what a key is for, by its beginning after "tskey-" or "hskey-".
var keyKinds = map[string]string{
	"api":     "an API key: it belongs into the key apiKey, with credentials.type APIKey",
	"auth":    "a key for machines to join with: make an API key, or an OAuth client",
	"client":  "an OAuth client's secret: it belongs into the key clientSecret, with credentials.type OAuthClient",
	"scim":    "a key for SCIM: make an API key, or an OAuth client",
	"webhook": "a key for webhooks: make an API key, or an OAuth client",
}

// tailnetValue is a value of a tailnet's credentials as it was meant, whatever it was pasted out
// of. kind is the kind of key that it should be; empty for none. Messages repeat nothing of it.
func tailnetValue(secret *corev1.Secret, name, kind string) (string, error) {
	refuse := func(what string) (string, error) {
		return "", NewProblem(infrav1.SecretInvalidReason, "Secret %s/%s: the key %s holds %s", secret.Namespace, secret.Name, name, what)
	}
	const isMasked = "a value that is masked or cut off: give all of it, as it was shown once when it was made"
	if maskedKey.MatchString(cloud.Pasted(secret.Data[name])) {
		return refuse(isMasked)
	}
	if found := cloud.PastedValue(secret.Data[name], tailnetKey); found != "" {
		is := strings.Split(found, "-")[1]
		if is == kind {
			return found, nil
		}
		if what, known := keyKinds[is]; known {
			return refuse(what)
		}
		return found, nil
	}
	value := cloud.Pasted(secret.Data[name])
	if scheme, rest, two := strings.Cut(value, " "); two && strings.EqualFold(scheme, "Bearer") {
		value = strings.TrimSpace(rest)
	}
	switch {
	case value == "":
		return refuse("nothing: give its value")
	case masked.MatchString(value):
		return refuse(isMasked)
	case !plainKey.MatchString(value):
		return refuse("space, line ends or letters that are in no such value: give the value alone, as it was shown when it was made")
	}
	return value, nil
}
