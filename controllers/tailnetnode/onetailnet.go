// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"cmp"
	"net/url"
	"strings"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// ownTailnet is the tailnetName that stands for the credentials' own.
const ownTailnet = "-"

// OneTailnet tells whether two Tailnet objects are certainly of one network: of one server of the
// user's, or at Tailscale of one name or with the credentials of one Secret. Whether two Secrets
// are of one tailnet there cannot be told.
func OneTailnet(one, other *infrav1.Tailnet) bool {
	name, otherName := cmp.Or(one.Spec.TailnetName, ownTailnet), cmp.Or(other.Spec.TailnetName, ownTailnet)
	switch {
	case one.Name == other.Name:
		return true
	case ServerOf(one) != ServerOf(other):
		return false
	case one.Spec.LoginServer != "" || other.Spec.LoginServer != "":
		return true
	case name != ownTailnet && otherName != ownTailnet:
		return name == otherName
	}
	return one.Spec.Credentials.SecretRef == other.Spec.Credentials.SecretRef
}

var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

// ServerOf tells coordination servers apart. Several Tailnets may be of one, however each writes
// its address; Tailscale's own is empty.
func ServerOf(tn *infrav1.Tailnet) string {
	written := strings.TrimRight(cmp.Or(tn.Spec.APIURL, tn.Spec.LoginServer), "/")
	server, err := url.Parse(written)
	if err != nil {
		return written
	}
	server.Host = strings.TrimSuffix(strings.ToLower(server.Host), defaultPorts[server.Scheme])
	if server.String() == tailnet.DefaultAPIURL {
		return ""
	}
	return server.String()
}
