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

// IsOCID tells whether the text has the form of an OCID.
func IsOCID(text string) bool {
	return strings.HasPrefix(text, "ocid1.") && strings.Count(text, ".") >= 4
}

// NewRequestID returns an opc-request-id of OCI's form: three parts of 32 hexadecimal digits, of
// which the first may be the caller's (shown in jpetazzo/ampernetacle issue 54).
func NewRequestID(given string) string {
	digits := make([]byte, 48)
	_, _ = rand.Read(digits)
	first := given
	if first == "" {
		first = fmt.Sprintf("%X", digits[:16])
	}
	return fmt.Sprintf("%s/%X/%X", first, digits[16:32], digits[32:])
}
