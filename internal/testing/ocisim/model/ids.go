// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"
)

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func randomText(bytes int) string {
	buffer := make([]byte, bytes)
	// crypto/rand.Read never returns an error since Go 1.24.
	_, _ = rand.Read(buffer)
	return lowerBase32.EncodeToString(buffer)
}

// NewOCID returns a fresh identifier of OCI's form
// ocid1.<kind>.oc1.<region>.<unique>; region is empty for global resources.
func NewOCID(kind, region string) string {
	return fmt.Sprintf("ocid1.%s.oc1.%s.aaaaaaaa%s", kind, region, randomText(32))
}

// NewRequestID returns an opc-request-id as OCI's front ends make them.
func NewRequestID() string {
	return strings.ToUpper(randomText(20) + "/" + randomText(20))
}
