// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	redacted = "[redacted]"

	// maxMessage bounds a scrubbed message, in bytes: conditions and events are no place for long
	// texts.
	maxMessage = 600

	// maxWords bounds one of several errors in a list.
	maxWords = 512

	// minSecretPart is the minimum length for a word of a message to count as a part of a secret.
	// Shorter words, such as "user" or a port number, occur in any text.
	minSecretPart = 12
)

var (
	// pemBlock also covers a truncated block.
	pemBlock = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]+-----.*?(-----END [A-Z0-9 ]+-----|\z)`)
	// tailnetSecret is a key or a client secret of Tailscale (tskey-…) or Headscale (hskey-…).
	tailnetSecret = regexp.MustCompile(`(?i)\b(ts|hs)key-[A-Za-z0-9_-]+`)
	// bearer is an Authorization header's value: a token, or OCI's request signature. Words such as
	// "basic validation" are none.
	bearer = regexp.MustCompile(`(?i)\bbearer\s+[A-Za-z0-9._~+/=-]+|\bsignature\s*=\s*"[^"]*"` +
		`|\bbasic\s+(?-i:[a-z]*[A-Z0-9+/=][A-Za-z0-9+/=]*)`)
	// webToken is a JSON Web Token: its header is an object, which begins so in base64.
	webToken = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?`)
	// userInfo is the name and the password in a URL.
	userInfo = regexp.MustCompile(`(://)[^\s/?#@]+@`)
	// secretField is a JSON or form field holding secrets by its name, also within a text of JSON:
	// what stands before the value, the name and the value.
	secretField = regexp.MustCompile(`(?i)((?:\\*["'])?\b((?:[a-z0-9]+[_-])*(?:user_?data|ssh_authorized_keys|private_?key|passphrase|password|passwd` +
		`|(?:api|auth|secret|access)[_-]?key|(?:access|refresh|id|auth|session|client)?(?:secret|token)))(?:\\*["'])?\s*[:=]\s*)` +
		`("(?:[^"\\]|\\.)*"?|\\+"[^"]*"?|'[^']*'?|[^\s"][^\s,;}]*)`)
	// proseName and proseValue are of a sentence such as "unexpected token: the bracket".
	proseName  = regexp.MustCompile(`^(?i:token|secret)$`)
	proseValue = regexp.MustCompile(`^[A-Za-z]?[a-z]{0,10}\.?$`)
	// blob matches base64 data. The longest part of an OCID has 60 characters, a SHA-256 in hex has
	// 64.
	blob = regexp.MustCompile(`[A-Za-z0-9+/=_-]{65,}`)
	// requestID is a whole opc-request-id, which Oracle's support asks for first: parts of 32
	// hexadecimal digits, the first of which may begin with csid (the form is shown in
	// jpetazzo/ampernetacle issue 54 and clusterinthecloud/terraform issue 29).
	requestID = regexp.MustCompile(`^(csid[0-9A-Fa-f]{28}|[0-9A-Fa-f]{32})(/[0-9A-Fa-f]{32}){1,3}$`)
	// namedRequestID is a request's identifier as our messages and OCI's name it, in any form and
	// also cut short.
	namedRequestID = regexp.MustCompile(`(?i)request[ -]id[:= "]*[^\s):;"]*`)
	// ownEnd is this side of a connection, as package net prints it: its port differs each time,
	// and would change a condition each time.
	ownEnd = regexp.MustCompile(`\b((?:read|write) (?:tcp|udp)[46]?) \S+->`)
	// word matches a secret, or a part of one, as quoted in a message.
	word = regexp.MustCompile(`[A-Za-z0-9+/=_.:-]+`)
)

// Scrub makes a foreign message fit to be shown: keys, tokens, base64 data and every longer part of
// the given secrets are replaced, this side's ports are left out, what is not
// printed, such as control characters and those that turn a line around, becomes spaces, and the
// result is one line of at most 600 bytes.
func Scrub(message string, secrets ...string) string {
	message = strings.ToValidUTF8(message, "")
	message = ownEnd.ReplaceAllString(message, "$1 ")
	message = pemBlock.ReplaceAllString(message, redacted)
	for _, secret := range secrets {
		if len(secret) >= minSecretPart {
			message = strings.ReplaceAll(message, secret, redacted)
		}
	}
	message = tailnetSecret.ReplaceAllString(message, redacted)
	// Before the fields: "token: Bearer …" has two words for its value.
	message = bearer.ReplaceAllString(message, redacted)
	message = webToken.ReplaceAllString(message, redacted)
	message = userInfo.ReplaceAllString(message, "${1}"+redacted+"@")
	message = secretField.ReplaceAllStringFunc(message, redactField)
	message = blob.ReplaceAllStringFunc(message, redactBlob)
	message = word.ReplaceAllStringFunc(message, func(w string) string {
		if isPartOf(w, secrets) {
			return redacted
		}
		return w
	})
	return truncate(oneLine(message))
}

// redactField leaves sentences that merely have the name of a field in them.
func redactField(found string) string {
	parts := secretField.FindStringSubmatch(found)
	before, name, held := parts[1], parts[2], parts[3]
	if strings.HasSuffix(before, ": ") && proseName.MatchString(name) && proseValue.MatchString(held) {
		return found
	}
	return before + redacted
}

// redactBlob leaves request identifiers, also behind their header's name and "=". They are names
// that OCI gives, and their digits are as long as base64 data.
func redactBlob(found string) string {
	label, id := found[:strings.LastIndexByte(found, '=')+1], found[strings.LastIndexByte(found, '=')+1:]
	if requestID.MatchString(id) && !blob.MatchString(label) {
		return found
	}
	return redacted
}

// SameButRequestIDs tells whether two messages say the same of different requests. OCI's identifier
// differs each time, so that a repeated message is no news.
func SameButRequestIDs(a, b string) bool {
	return a == b || withoutRequestIDs(a) == withoutRequestIDs(b)
}

func withoutRequestIDs(message string) string {
	message = namedRequestID.ReplaceAllString(message, "")
	return blob.ReplaceAllStringFunc(message, func(found string) string {
		if redactBlob(found) == redacted {
			return found
		}
		return ""
	})
}

// isPartOf tells whether the word is a longer piece of one of the secrets. OCIDs are names, not
// secrets, wherever they are.
func isPartOf(w string, secrets []string) bool {
	w = strings.TrimRight(w, ".:")
	if len(w) < minSecretPart || strings.HasPrefix(w, "ocid1.") {
		return false
	}
	for _, secret := range secrets {
		if strings.Contains(secret, w) {
			return true
		}
	}
	return false
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}

func truncate(s string) string { return shorten(s, maxMessage) }

// shorten keeps at most so many bytes, and says so by an ellipsis.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const ellipsis = "…"
	end := most - len(ellipsis)
	if end < 0 {
		return ""
	}
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
