// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// ProviderIDPrefix makes provider IDs of OCIDs; the kubelet is told the same one.
const ProviderIDPrefix = "oci://"

// ProviderID is the provider ID of an instance.
func ProviderID(instanceID string) string { return ProviderIDPrefix + instanceID }

// InstanceIDOf is the OCID of the instance in a provider ID.
func InstanceIDOf(providerID string) string { return strings.TrimPrefix(providerID, ProviderIDPrefix) }

// RetryToken is the same for the same parts. It has 64 characters, the most that OCI takes.
func RetryToken(parts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return hex.EncodeToString(sum[:])
}
