// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// instancesPath is that of the instances in OCI's API (core/GetInstance, core/ListInstances).
const instancesPath = "/20160918/instances"

// withoutUserData takes the user data out of the body of an answer with instances. It is most of
// what a poll receives, ten kilobytes an instance, and nobody reads it: decoding it was most of
// what a poll costs. A body that is cut off stays so.
func withoutUserData(r *http.Request, response *http.Response) {
	if r.Method != http.MethodGet || response.StatusCode != http.StatusOK || !strings.HasPrefix(r.URL.Path, instancesPath) {
		return
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(dropUserData(body)), ended{err}))
	response.ContentLength = -1
}

// userDataKey is the key in an instance's metadata. Inside of another string its quotes would be
// escaped.
var userDataKey = []byte(`"user_data"`)

// maxTagValue is the most bytes of JSON that a tag's value takes: 256 characters (OCI
// documentation, "Tagging Overview"), each of them two escapes. A tag of the same name is written
// back with the instance's other tags. User data is longer, and what is not costs little.
const maxTagValue = 256 * 2 * len(`\u0000`)

// dropUserData empties each string under the key that is longer than a tag's value, in place. What
// is not as it should be is left for the SDK to complain of.
func dropUserData(body []byte) []byte {
	out := body[:0]
	for {
		at := bytes.Index(body, userDataKey)
		if at < 0 {
			return append(out, body...)
		}
		at += len(userDataKey)
		out, body = append(out, body[:at]...), body[at:]
		begin := bytes.IndexByte(body, '"')
		if begin < 0 || string(bytes.TrimSpace(body[:begin])) != ":" {
			continue
		}
		if length := stringLength(body[begin+1:]); length > maxTagValue {
			out, body = append(out, body[:begin+1]...), body[begin+1+length:]
		}
	}
}

// stringLength is the length of a JSON string's content, negative if it has no end.
func stringLength(text []byte) int {
	for from := 0; ; {
		quote := bytes.IndexByte(text[from:], '"')
		if quote < 0 {
			return -1
		}
		from += quote
		if escapes := from - len(bytes.TrimRight(text[:from], `\`)); escapes%2 == 0 {
			return from
		}
		from++
	}
}

// ended is the end of a body, by an error if it was one.
type ended struct{ err error }

// Read returns how the body ended.
func (e ended) Read([]byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	return 0, io.EOF
}
