// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"encoding/base64"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
)

// escapedLineEnd is a line end as JSON and shells write it, perhaps escaped twice.
var escapedLineEnd = regexp.MustCompile(`(\\+r)?\\+n`)

// invisible are characters that consoles, chats and editors put into what is copied from them, with
// what they stand for.
var invisible = strings.NewReplacer(
	"\ufeff", "", "\u200b", "", "\u200c", "", "\u200d", "", "\u2060", "", "\u00a0", " ", "\u202f", " ", "\r\n", "\n", "\r", "\n", "\x00", "",
)

// colours are how terminals mark what programs print.
var colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// quotes stand around what was copied out of a file or a sentence.
const quotes = "\"'`“”‘’«»"

// Pasted is a text as it was meant: without a byte order mark, invisible characters, colours,
// UTF-16, escaped line ends, quotes around it, a comma after it, and space.
func Pasted(data []byte) string {
	text := escapedLineEnd.ReplaceAllString(invisible.Replace(colours.ReplaceAllString(decodeUTF16(data), "")), "\n")
	for {
		bare := strings.Trim(strings.TrimSpace(text), quotes)
		bare = strings.TrimRight(strings.TrimSpace(bare), ",;")
		if bare == text {
			return text
		}
		text = bare
	}
}

// decodeUTF16 knows UTF-16 by its byte order mark: PowerShell writes it.
func decodeUTF16(data []byte) string {
	var order binary.ByteOrder
	switch {
	case len(data) < 2 || len(data)%2 != 0:
		return string(data)
	case data[0] == 0xff && data[1] == 0xfe:
		order = binary.LittleEndian
	case data[0] == 0xfe && data[1] == 0xff:
		order = binary.BigEndian
	default:
		return string(data)
	}
	units := make([]uint16, 0, len(data)/2)
	for pair := range slices.Chunk(data, 2) {
		units = append(units, order.Uint16(pair))
	}
	return string(utf16.Decode(units))
}

// maxEncodings bounds how often a value is taken for base64: once by hand and once by a tool.
const maxEncodings = 2

// PastedValue finds the one value of a form in a text: alone, broken over lines, behind its name,
// in a whole configuration file, or in base64 once too often. It is empty if there is none, or more
// than one.
func PastedValue(data []byte, form *regexp.Regexp) string {
	for range maxEncodings + 1 {
		text := Pasted(data)
		// Two OCIDs below each other are not one that was broken.
		joined := strings.Join(strings.Fields(text), "")
		if form.FindString(joined) == joined && strings.Count(joined, "ocid1.") < 2 {
			return joined
		}
		found := form.FindAllString(text, -1)
		slices.Sort(found)
		if found = slices.Compact(found); len(found) == 1 {
			return found[0]
		}
		decoded, ok := DecodeBase64(text)
		if !ok {
			return ""
		}
		data = decoded
	}
	return ""
}

// DecodeBase64 decodes a text whatever its line ends and padding.
func DecodeBase64(text string) ([]byte, bool) {
	joined := strings.TrimRight(strings.Join(strings.Fields(text), ""), "=")
	decoded, err := base64.RawStdEncoding.DecodeString(joined)
	return decoded, err == nil && len(decoded) > 0
}
