// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// byNumber is an owner whose user or group is a number: cloud-init knows names only.
var byNumber = regexp.MustCompile(`^\s*[0-9]+\s*(:|$)|:\s*[0-9]+\s*$`)

// checkContent refuses a file at which cloud-init's write_files ends with an error, so that it
// writes none of the files after it, kubeadm's among them. Source: write_files and extract_contents
// in cloudinit/config/cc_write_files.py, chownbyname in cloudinit/util.py.
func (f bootstrapFile) checkContent() error {
	if f.path == "" || f.deferred {
		// cloud-init goes on to the next one, or comes back to it when all else is done.
		return nil
	}
	const consequence = "cloud-init writes neither it nor any file after it"
	if !f.isText {
		return invalid("Bootstrap", "the content of file %s is no text: put it in quotes, else %s", f.path, consequence)
	}
	if byNumber.MatchString(f.owner) {
		return invalid("Bootstrap", "the owner of file %s is a number, and cloud-init takes names: %s", f.path, consequence)
	}
	encoded, packed := f.isEncoded()
	content := []byte(f.content)
	if encoded {
		if strings.Contains(f.content, jinjaWord) {
			// What Jinja puts there is not known.
			return nil
		}
		decoded, ok := likePython(f.content)
		if !ok {
			return invalid("Bootstrap", "the content of file %s is not the base64 that its encoding says: %s", f.path, consequence)
		}
		content = decoded
	}
	if _, ok := unpacked(content); packed && !ok {
		return invalid("Bootstrap", "the content of file %s is not the gzip that its encoding says: %s", f.path, consequence)
	}
	return nil
}

// isEncoded tells whether the content is base64, and whether it is gzip then.
func (f bootstrapFile) isEncoded() (encoded, packed bool) {
	switch strings.ToLower(strings.TrimSpace(f.encoding)) {
	case "b64", "base64":
		return true, false
	case "gz+b64", "gz+base64", "gzip+b64", "gzip+base64":
		return true, true
	case "gz", "gzip":
		return false, true
	}
	return false, false
}

// decoded is the content as cloud-init writes it; empty where it writes none.
func (f bootstrapFile) decoded() string {
	encoded, packed := f.isEncoded()
	content := []byte(f.content)
	if encoded {
		content, _ = likePython(f.content)
	}
	if packed {
		content, _ = unpacked(content)
	}
	return string(content)
}

// likePython decodes base64 as Python does: it passes over other letters, ends at the padding, and
// wants it (Modules/binascii.c, a2b_base64).
func likePython(text string) ([]byte, bool) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	var letters strings.Builder
	pads := 0
	for _, c := range text {
		open := letters.Len() % 4
		switch {
		case c > '~':
			return nil, false
		case c == '=':
			pads++
			if open >= 2 && open+pads >= 4 {
				decoded, err := base64.RawStdEncoding.DecodeString(letters.String())
				return decoded, err == nil
			}
		case strings.ContainsRune(alphabet, c):
			letters.WriteRune(c)
			pads = 0
		}
	}
	if letters.Len()%4 != 0 {
		return nil, false
	}
	decoded, err := base64.StdEncoding.DecodeString(letters.String())
	return decoded, err == nil
}

// unpacked is what gzip data hold, up to what user data may be; ok is false if they are not gzip.
func unpacked(data []byte) (content []byte, ok bool) {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, false
	}
	content, err = io.ReadAll(io.LimitReader(reader, maxPayload))
	return content, err == nil
}

// isText tells whether PyYAML gives cloud-init a text, or bytes. A value that is left out is an
// empty text.
func isText(value *yaml.Node) bool {
	return value == nil || value.Kind == yaml.ScalarNode && slices.Contains([]string{"!!str", "!!binary"}, value.ShortTag())
}
