// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// maxSkew is how far a request's date may be from the present (docs.oracle.com,
// API/Concepts/signingrequests.htm: five minutes).
const maxSkew = 5 * time.Minute

var signatureField = regexp.MustCompile(`(\w+)="([^"]*)"`)

// authenticate verifies a request's signature (draft-cavage-http-signatures-08 as OCI uses it,
// docs.oracle.com, API/Concepts/signingrequests.htm) and returns the signer. The answer is the same
// for every fault.
func authenticate(world *model.World, r *http.Request, body []byte, now time.Time) (*model.State, *model.User, error) {
	fields := map[string]string{}
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	for _, match := range signatureField.FindAllStringSubmatch(rest, -1) {
		fields[match[1]] = match[2]
	}
	if scheme != "Signature" || fields["version"] != "1" || fields["algorithm"] != "rsa-sha256" {
		return nil, nil, model.ErrNotAuthenticated()
	}
	state, user, key := findKey(world, fields["keyId"])
	if key == nil {
		return nil, nil, model.ErrNotAuthenticated()
	}
	headers := strings.Fields(strings.ToLower(fields["headers"]))
	if !requiredSigned(r, headers) || !dateValid(r, headers, now) || !bodyValid(r, body) {
		return nil, nil, model.ErrNotAuthenticated()
	}
	signature, err := base64.StdEncoding.DecodeString(fields["signature"])
	if err != nil {
		return nil, nil, model.ErrNotAuthenticated()
	}
	digest := sha256.Sum256([]byte(signingString(r, headers)))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) != nil {
		return nil, nil, model.ErrNotAuthenticated()
	}
	return state, user, nil
}

// findKey resolves a key id of the form tenancy/user/fingerprint.
func findKey(world *model.World, keyID string) (*model.State, *model.User, *rsa.PublicKey) {
	parts := strings.Split(keyID, "/")
	if len(parts) != 3 {
		return nil, nil, nil
	}
	state, err := world.Tenancy(parts[0])
	if err != nil || state.OCID() != parts[0] {
		return nil, nil, nil
	}
	user, key, ok := state.Key(parts[1], parts[2])
	if !ok {
		return nil, nil, nil
	}
	return state, user, key
}

func hasBody(r *http.Request) bool {
	return r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch
}

func requiredSigned(r *http.Request, headers []string) bool {
	required := []string{"(request-target)", "host"}
	if hasBody(r) {
		required = append(required, "content-length", "content-type", "x-content-sha256")
	}
	for _, name := range required {
		if !slices.Contains(headers, name) {
			return false
		}
	}
	return slices.Contains(headers, "date") || slices.Contains(headers, "x-date")
}

func dateValid(r *http.Request, headers []string, now time.Time) bool {
	name := "date"
	if slices.Contains(headers, "x-date") {
		name = "x-date"
	}
	date, err := http.ParseTime(r.Header.Get(name))
	return err == nil && now.Sub(date).Abs() <= maxSkew
}

func bodyValid(r *http.Request, body []byte) bool {
	if !hasBody(r) {
		return len(body) == 0
	}
	sum := sha256.Sum256(body)
	return r.Header.Get("X-Content-Sha256") == base64.StdEncoding.EncodeToString(sum[:]) &&
		header(r, "content-length") == strconv.Itoa(len(body))
}

func signingString(r *http.Request, headers []string) string {
	lines := make([]string, 0, len(headers))
	for _, name := range headers {
		lines = append(lines, name+": "+header(r, name))
	}
	return strings.Join(lines, "\n")
}

// header returns the client's signed value under a name; net/http moves some of the headers
// elsewhere.
func header(r *http.Request, name string) string {
	switch name {
	case "(request-target)":
		return strings.ToLower(r.Method) + " " + r.RequestURI
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(max(0, r.ContentLength), 10)
	}
	return r.Header.Get(name)
}
