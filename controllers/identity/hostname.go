// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import "strings"

const (
	// maxHostname is the length of a DNS label.
	maxHostname = 63
	// uidLength is how much of the UID a hostname ends with: 32 random bits.
	uidLength = 8
)

// Hostname is a machine's name in the tailnet and its instance's display name: a DNS label of
// its own among the machines of all namespaces and management clusters.
func Hostname(name, identity string) string {
	suffix := "-" + strings.ReplaceAll(identity, "-", "")
	suffix = suffix[:min(len(suffix), 1+uidLength)]
	label := strings.ReplaceAll(name, ".", "-")
	label = label[:min(len(label), maxHostname-len(suffix))]
	return strings.TrimRight(label, "-") + suffix
}
