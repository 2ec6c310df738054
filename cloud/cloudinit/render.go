// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"slices"

	"k8s.io/utils/lru"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit/squeeze"
)

// Names of the two parts. cloud-init stores shell scripts under their part's name and runs them in
// the order of names, together with "runcmd", the script made of the bootstrap data's runcmd:
// digits sort before letters, so ours is first (cloudinit/subp.py runparts).
const (
	bootstrapPart = "bootstrap"
	nodePart      = "00-capom-node"
)

const (
	// typeFound has cloud-init look at the first line, exactly as it does for user data of one
	// part; text/cloud-config would leave a Jinja header unrendered (cloudinit/user_data.py
	// TYPE_NEEDED).
	typeFound  = "text/plain"
	typeScript = "text/x-shellscript"
	// preamble comes first because cloud-init looks for "mime-version:" in the first 4096 bytes
	// only.
	preamble = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"%s\"\n\n"
)

// Render returns the user data of a machine: gzip'd multi-part MIME, ready to go, in base64, into
// the instance's metadata. It returns *UnsupportedFormatError or *InvalidInputError; it does not
// check the size, see CheckSize.
func Render(in Input) ([]byte, error) {
	in = in.withDefaults()
	if err := in.validate(); err != nil {
		return nil, err
	}
	if err := in.checkClaims(); err != nil {
		return nil, err
	}
	script, err := nodeScript(in)
	if err != nil {
		return nil, err
	}
	message, err := compose(in.Bootstrap, script)
	if err != nil {
		return nil, err
	}
	// Keys come first in bootstrap data, the scripts last.
	keys := max(0, bytes.LastIndex(message, []byte("-----END ")))
	userData, err := quick.compress(message[:keys], message[keys:])
	if err != nil || Size(userData, in.OtherMetadata) <= roomy {
		return userData, err
	}
	userData, err = best.compress(message[:keys], message[keys:])
	over := Size(userData, in.OtherMetadata) - MaxMetadataBytes
	if err != nil || over <= 0 || over > mostSqueezed || len(message) > squeezable {
		return userData, err
	}
	return squeezed(message)
}

// roomy is what needs to be no smaller than it is: that of most workers.
const roomy = MaxMetadataBytes * 3 / 4

// squeezings are the last results by the digest of what was squeezed. A pool renders the same at
// each pass, and a launch what was measured before it.
var squeezings = lru.New(32)

func squeezed(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	if known, is := squeezings.Get(digest); is {
		return slices.Clone(known.([]byte)), nil
	}
	userData, err := squeeze.Gzip(message)
	if err != nil {
		return nil, err
	}
	squeezings.Add(digest, slices.Clone(userData))
	return userData, nil
}

// Squeezing takes half a second of CPU and saves 800 bytes of a control plane's user data. It is
// for what is too large by no more than mostSqueezed, and for no larger message than squeezable:
// what compresses so well has no room for reasons of its own.
const (
	mostSqueezed = MaxMetadataBytes / 20
	squeezable   = 128 << 10
)

func compose(bootstrap, script []byte) ([]byte, error) {
	digest := sha256.Sum256(append(append([]byte(nil), bootstrap...), script...))
	// 64 bits are in nobody's data by chance, and more would take room from users.
	boundary := "capom-" + hex.EncodeToString(digest[:8])
	var out bytes.Buffer
	fmt.Fprintf(&out, preamble, boundary)
	parts := multipart.NewWriter(&out)
	if err := parts.SetBoundary(boundary); err != nil {
		return nil, fmt.Errorf("composing the user data: %w", err)
	}
	if err := addPart(parts, bootstrapPart, typeFound, bootstrap); err != nil {
		return nil, fmt.Errorf("composing the user data: %w", err)
	}
	if err := addPart(parts, nodePart, typeScript, script); err != nil {
		return nil, fmt.Errorf("composing the user data: %w", err)
	}
	if err := parts.Close(); err != nil {
		return nil, fmt.Errorf("composing the user data: %w", err)
	}
	return out.Bytes(), nil
}

// addPart writes plain ASCII unchanged, since that compresses best, and anything else as
// quoted-printable: Python's email package does not return other characters, or carriage returns,
// of an unencoded part as they were.
func addPart(parts *multipart.Writer, name, contentType string, content []byte) error {
	header := textproto.MIMEHeader{}
	header.Set("Content-Type", contentType)
	header.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	if isPlainASCII(content) {
		header.Set("Content-Transfer-Encoding", "7bit")
		part, err := parts.CreatePart(header)
		if err == nil {
			_, err = part.Write(content)
		}
		return err
	}
	header.Set("Content-Transfer-Encoding", "quoted-printable")
	part, err := parts.CreatePart(header)
	if err != nil {
		return err
	}
	encoder := quotedprintable.NewWriter(part)
	encoder.Binary = true
	if _, err := encoder.Write(content); err != nil {
		return err
	}
	return encoder.Close()
}

func isPlainASCII(content []byte) bool {
	for _, c := range content {
		if c != '\n' && c != '\t' && (c < ' ' || c > '~') {
			return false
		}
	}
	return true
}
