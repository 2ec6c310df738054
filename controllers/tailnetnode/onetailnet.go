// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"cmp"
	"net/url"
	"slices"
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
	case !SameServer(one, other):
		return false
	case one.Spec.LoginServer != "" || other.Spec.LoginServer != "":
		return true
	case name != ownTailnet && otherName != ownTailnet:
		return name == otherName
	}
	return one.Spec.Credentials.SecretRef == other.Spec.Credentials.SecretRef
}

var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

// SameServer tells whether two Tailnet objects are of one coordination server: nodes log in to one
// address, or the API has one. Either may be written for one of the two only.
func SameServer(one, other *infrav1.Tailnet) bool {
	login, otherLogin := address(one.Spec.LoginServer), address(other.Spec.LoginServer)
	return login != "" && login == otherLogin ||
		address(cmp.Or(one.Spec.APIURL, one.Spec.LoginServer)) == address(cmp.Or(other.Spec.APIURL, other.Spec.LoginServer))
}

// addressesOf are those by which SameServer knows the Tailnet's coordination server, in order.
func addressesOf(tn *infrav1.Tailnet) []string {
	all := []string{address(cmp.Or(tn.Spec.APIURL, tn.Spec.LoginServer))}
	if login := address(tn.Spec.LoginServer); login != "" {
		all = append(all, login)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// address is a server's, however it is written; Tailscale's own is empty.
func address(written string) string {
	written = strings.TrimRight(written, "/")
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
