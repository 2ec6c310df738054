// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import "encoding/base64"

// MaxMetadataBytes is OCI's limit for metadata and extendedMetadata of one instance together
// (Oracle's documentation, "Updating Instance Metadata").
const MaxMetadataBytes = 32000

// UserDataKey is OCI's metadata key for cloud-init's user data, in base64.
const UserDataKey = "user_data"

// Size is the total size in bytes of the user data, in base64 and under its key, and all other
// metadata: keys and values.
func Size(userData []byte, otherMetadata map[string]string) int {
	size := len(UserDataKey) + base64.StdEncoding.EncodedLen(len(userData))
	for key, value := range otherMetadata {
		size += len(key) + len(value)
	}
	return size
}

// CheckSize returns a *TooLargeError if OCI would refuse the launch for the size of its metadata.
// otherMetadata is all metadata and extendedMetadata but the user data, for example
// ssh_authorized_keys.
func CheckSize(userData []byte, otherMetadata map[string]string) error {
	size := Size(userData, otherMetadata)
	if size <= MaxMetadataBytes {
		return nil
	}
	return &TooLargeError{Size: size, UserData: base64.StdEncoding.EncodedLen(len(userData)), Limit: MaxMetadataBytes}
}
