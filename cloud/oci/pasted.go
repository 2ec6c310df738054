// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/asn1"
	"encoding/pem"
	"regexp"
	"strings"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

var (
	tenancyForm = regexp.MustCompile(`ocid1\.tenancy\.[A-Za-z0-9._-]+`)
	// cutOff is an OCID as the console shows it: others never have three dots in a row.
	cutOff          = regexp.MustCompile(`ocid1\.\S*(\.{3}|…)`)
	userForm        = regexp.MustCompile(`ocid1\.user\.[A-Za-z0-9._-]+`)
	fingerprintForm = regexp.MustCompile(`(?i)\b[0-9a-f]{2}([: -]?[0-9a-f]{2}){15}\b`)
	notHex          = regexp.MustCompile(`[^0-9a-f]+`)

	// pemMarks are the lines around a key. Word processors make long dashes of several short ones.
	pemMarks = regexp.MustCompile(`[-\x{2010}-\x{2015}]+[ ]*(BEGIN|END)[ ]+([A-Z0-9 ]*?)[ ]*[-\x{2010}-\x{2015}]+`)
	// procType and dekInfo are the headers of an encrypted key in OpenSSL's old form (RFC 1421).
	// The vector's length tells where it ends if the line end is lost: 16 bytes for AES, 8 for DES.
	procType = regexp.MustCompile(`Proc-Type:\s*4,\s*ENCRYPTED`)
	dekInfo  = regexp.MustCompile(`DEK-Info:\s*((?:AES|DES)-[A-Z0-9-]+),\s*([0-9A-Fa-f]{32}|[0-9A-Fa-f]{16})`)
	// around is what quoting of mails, YAML and shells leaves between a key's letters.
	around = regexp.MustCompile("[\\s\"'`\\\\>|]+")
)

// normalised is the user principal as it was meant, whatever it was pasted out of.
func (u UserPrincipal) normalised() UserPrincipal {
	if found := cloud.PastedValue([]byte(u.TenancyID), tenancyForm); found != "" {
		u.TenancyID = found
	}
	if found := cloud.PastedValue([]byte(u.UserID), userForm); found != "" {
		u.UserID = found
	}
	if found := cloud.PastedValue([]byte(u.Fingerprint), fingerprintForm); found != "" {
		u.Fingerprint = colons(notHex.ReplaceAllString(strings.ToLower(found), ""))
	}
	return u
}

// colons writes hex digits in pairs.
func colons(digits string) string {
	var out strings.Builder
	for i := range len(digits) {
		if i > 0 && i%2 == 0 {
			out.WriteByte(':')
		}
		out.WriteByte(digits[i])
	}
	return out.String()
}

// pastedKey is the private key in a text as one PEM block, or the reason why there is none. The
// reason repeats nothing of the text.
func pastedKey(data []byte) (block *pem.Block, reason string) {
	const maxEncodings = 3
	for range maxEncodings + 1 {
		if block := derBlock(data); block != nil {
			return block, ""
		}
		text := cloud.Pasted(data)
		if marks := pemMarks.FindAllStringSubmatchIndex(text, -1); marks != nil {
			return keyBetween(text, marks)
		}
		if reason := otherKey(text); reason != "" {
			return nil, reason
		}
		decoded, ok := cloud.DecodeBase64(text)
		if !ok {
			break
		}
		data = decoded
	}
	return nil, "is not a PEM private key: give all of the file that OCI's console or openssl made, from BEGIN to END"
}

// keyBetween takes the first private key out of what stands between the marks.
func keyBetween(text string, marks [][]int) (*pem.Block, string) {
	var others []string
	for i, mark := range marks {
		kind := text[mark[4]:mark[5]]
		if text[mark[2]:mark[3]] != "BEGIN" {
			continue
		}
		if !strings.HasSuffix(kind, "PRIVATE KEY") {
			others = append(others, kind)
			continue
		}
		if strings.HasPrefix(kind, "OPENSSH") {
			return nil, "is in OpenSSH's format, which OCI does not take: make an API key in OCI's console, or a key with openssl genrsa"
		}
		if i+1 == len(marks) || text[marks[i+1][2]:marks[i+1][3]] != "END" {
			return nil, "is cut off: its line with END is missing"
		}
		return keyBlock(kind, text[mark[1]:marks[i+1][0]])
	}
	for _, kind := range others {
		switch {
		case strings.HasSuffix(kind, "PUBLIC KEY"):
			return nil, "is not a PEM private key but a public key: give the private half"
		case strings.HasSuffix(kind, "CERTIFICATE"):
			return nil, "is not a PEM private key but a certificate: give the API key's private half"
		}
	}
	return nil, "is not a PEM private key: its line with BEGIN is missing"
}

func keyBlock(kind, body string) (*pem.Block, string) {
	block := &pem.Block{Type: kind, Headers: map[string]string{}}
	if info := dekInfo.FindStringSubmatch(body); info != nil {
		vector := info[2]
		if strings.HasPrefix(info[1], "DES") {
			vector = vector[:16]
		}
		before, after, _ := strings.Cut(body, info[0])
		body = before + info[2][len(vector):] + after
		block.Headers["Proc-Type"], block.Headers["DEK-Info"] = "4,ENCRYPTED", info[1]+","+vector
	}
	body = around.ReplaceAllString(procType.ReplaceAllString(body, ""), "")
	decoded, ok := cloud.DecodeBase64(body)
	if !ok {
		return nil, "is damaged: between BEGIN and END are characters that no key has, or some are missing"
	}
	block.Bytes = decoded
	if _, encrypted := block.Headers["DEK-Info"]; !encrypted && !isWhole(decoded) {
		return nil, "is not an RSA private key in PKCS#1 or PKCS#8, or is damaged: a part of it is missing between BEGIN and END"
	}
	return block, ""
}

// derBlock is a key without PEM around it: the body alone was pasted, or DER was made base64.
func derBlock(data []byte) *pem.Block {
	const sequence = 0x30
	if len(data) < 64 || data[0] != sequence || !isWhole(data) {
		return nil
	}
	return &pem.Block{Type: "PRIVATE KEY", Bytes: data}
}

// isWhole tells whether DER is as long as it says.
func isWhole(der []byte) bool {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(der, &outer)
	return err == nil && len(rest) == 0
}

// otherKey names what is often taken for an API key.
func otherKey(text string) string {
	switch {
	case strings.HasPrefix(text, "ssh-"), strings.HasPrefix(text, "ecdsa-sha2-"):
		return "is not a PEM private key but a public SSH key: give the API key's private half"
	case strings.HasPrefix(text, "PuTTY-User-Key-File"):
		return "is in PuTTY's format, which OCI does not take: make an API key in OCI's console, or a key with openssl genrsa"
	case strings.Contains(text, "key_file"):
		return "is a configuration file of OCI's command line, which only names the file with the key: give that file's content"
	case strings.HasSuffix(text, ".pem"):
		return "is the name of a file: give the file's content"
	}
	return ""
}
