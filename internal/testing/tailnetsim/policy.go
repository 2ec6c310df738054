// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// SetPolicyText replaces the text of the policy file; empty means one made of the tag
// owners and the approvers again, "none" that
// Headscale's configuration names no file.
func (s *Server) SetPolicyText(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy = text
}

// defaultPolicy is what Headscale 0.30 shows without one (hscontrol/api/v2/acl.go of its main
// branch).
const defaultPolicy = `{
	// Headscale default policy. Allows all communication.
	"acls": [
		{"action": "accept", "src": ["*"], "dst": ["*:*"]},
	],
}
`

// getPolicy shows the policy file: word for word to a client that accepts HuJSON, and as JSON to
// any other at Tailscale (api.md, "Get policy file"). Headscale only names another type.
func (s *Server) getPolicy(w http.ResponseWriter, r *http.Request, _ principal) {
	s.mu.Lock()
	text := s.policy
	switch text {
	case "":
		text = s.madePolicy()
	case "none":
		text = defaultPolicy
	}
	s.mu.Unlock()
	kind := "application/hujson"
	if !strings.Contains(r.Header.Get("Accept"), kind) {
		kind = "application/json"
		if standard, err := hujson.Standardize([]byte(text)); err == nil && !s.isHeadscale() {
			text = string(standard)
		}
	}
	digest := sha256.Sum256([]byte(text))
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Etag", `"`+hex.EncodeToString(digest[:])+`"`)
	_, _ = w.Write([]byte(text))
}

// madePolicy is the policy that the server acts by. Grants and attributes are for 0.29 and later,
// where "*" means the addresses of devices only and ranges behind routers have to be named.
func (s *Server) madePolicy() string {
	owners, approvers := map[string][]string{}, map[string][]string{}
	for tag, names := range s.tagOwners {
		owners[tag] = listed(names)
	}
	for prefix, tags := range s.approvers {
		approvers[prefix.String()] = listed(tags)
	}
	policy := map[string]any{"tagOwners": owners, "autoApprovers": map[string]any{"routes": approvers}}
	if s.opts.Mode != Headscale028 && s.opts.Mode != Headscale026 {
		policy["grants"] = []map[string][]string{{"src": {"*"}, "dst": {"*", "0.0.0.0/0", "::/0"}, "ip": {"*"}}}
		policy["nodeAttrs"] = []map[string][]string{{"target": slices.Sorted(maps.Keys(owners)), "attr": {"cache-network-maps"}}}
	} else {
		policy["acls"] = []map[string]any{{"action": "accept", "src": []string{"*"}, "dst": []string{"*:*"}}}
	}
	text, _ := json.MarshalIndent(policy, "", "  ")
	return string(text) + "\n"
}
