// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
)

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

// Authorities are what a control plane carries of its cluster's certificate authorities.
type Authorities struct {
	// Bytes are about what they take of the metadata. A letter of PEM is six bits, which gzip does
	// not shorten, and base64 makes a letter of six bits again.
	Bytes int
	// Bits are the length of the longest RSA key; zero for none.
	Bits int
}

// pkiDir is where kubeadm has its certificate authorities.
const pkiDir = "/etc/kubernetes/pki/"

// AuthoritiesIn finds them in bootstrap data.
func AuthoritiesIn(bootstrap []byte) (found Authorities) {
	config, err := readBootstrap(bootstrap)
	if err != nil || config == nil {
		return found
	}
	for _, f := range config.files {
		if !strings.HasPrefix(f.path, pkiDir) {
			continue
		}
		for block, rest := pem.Decode([]byte(f.content)); block != nil; block, rest = pem.Decode(rest) {
			found.Bytes += base64.StdEncoding.EncodedLen(len(block.Bytes))
			if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
				found.Bits = max(found.Bits, key.N.BitLen())
			}
			if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				if key, is := parsed.(*rsa.PrivateKey); is {
					found.Bits = max(found.Bits, key.N.BitLen())
				}
			}
		}
	}
	return found
}

// fitting names the algorithms with which over bytes less are needed; empty for none. The length of
// keys and certificates grows with that of RSA's modulus; ECDSA-P256 takes an eighth of RSA-4096.
func (a Authorities) fitting(over int) string {
	const smaller, smallest = 3072, 512
	switch {
	case a.Bits > smaller && a.Bytes*(a.Bits-smaller)/a.Bits >= over:
		return "RSA-3072 or ECDSA-P256"
	case a.Bits > smallest && a.Bytes*(a.Bits-smallest)/a.Bits >= over:
		return "ECDSA-P256"
	}
	return ""
}
