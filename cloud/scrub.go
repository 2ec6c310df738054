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

	// minSecretPart is the minimum length for a word of a message to count as a part of a secret.
	// Shorter words, such as "user" or a port number, occur in any text.
	minSecretPart = 12
)

var (
	// pemBlock also covers a truncated block.
	pemBlock = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]+-----.*?(-----END [A-Z0-9 ]+-----|\z)`)
	// tailnetSecret is a key or a client secret of Tailscale (tskey-…) or Headscale (hskey-…).
	tailnetSecret = regexp.MustCompile(`\b(ts|hs)key-[A-Za-z0-9_-]+`)
	// bearer is an Authorization header's value: a token, or OCI's request signature.
	bearer = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+|\bsignature\s*=\s*"[^"]*"`)
	// secretField is a JSON or form field holding secrets by its name.
	secretField = regexp.MustCompile(`(?i)("?\b(user_data|userdata|ssh_authorized_keys|private_?key|passphrase|password|client_secret|token)"?\s*[:=]\s*)("[^"]*"?|[^\s"][^\s,;}]*)`)
	// blob matches base64 data. The longest part of an OCID has 60 characters, a SHA-256 in hex has
	// 64.
	blob = regexp.MustCompile(`[A-Za-z0-9+/=_-]{65,}`)
	// ownEnd is this side of a connection, as package net prints it: its port differs each time,
	// and would change a condition each time.
	ownEnd = regexp.MustCompile(`\b((?:read|write) (?:tcp|udp)[46]?) \S+->`)
	// word matches a secret, or a part of one, as quoted in a message.
	word = regexp.MustCompile(`[A-Za-z0-9+/=_.:-]+`)
)

// Scrub makes a foreign message fit to be shown: keys, tokens, base64 data and every longer part of
// the given secrets are replaced, this side's ports are left out, control characters become spaces,
// and the result is one line of at most 600 bytes.
func Scrub(message string, secrets ...string) string {
	message = strings.ToValidUTF8(message, "")
	message = ownEnd.ReplaceAllString(message, "$1 ")
	message = pemBlock.ReplaceAllString(message, redacted)
	for _, secret := range secrets {
		if len(secret) >= minSecretPart {
			message = strings.ReplaceAll(message, secret, redacted)
		}
	}
	message = secretField.ReplaceAllString(message, "${1}"+redacted)
	message = tailnetSecret.ReplaceAllString(message, redacted)
	message = bearer.ReplaceAllString(message, redacted)
	message = blob.ReplaceAllString(message, redacted)
	message = word.ReplaceAllStringFunc(message, func(w string) string {
		if isPartOf(w, secrets) {
			return redacted
		}
		return w
	})
	return truncate(oneLine(message))
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
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

func truncate(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	const ellipsis = "…"
	end := maxMessage - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
