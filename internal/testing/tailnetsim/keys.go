// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	maxKeyExpiry      = 90 * 24 * time.Hour
	maxKeyDescription = 50
)

// Key is an auth key, without its secret.
type Key struct {
	ID            string    `json:"id"`
	Description   string    `json:"description"`
	Tags          []string  `json:"tags"`
	Reusable      bool      `json:"reusable"`
	Ephemeral     bool      `json:"ephemeral"`
	Preauthorized bool      `json:"preauthorized"`
	Created       time.Time `json:"created"`
	Expires       time.Time `json:"expires"`
	// Revoked is zero unless the key was revoked.
	Revoked time.Time `json:"revoked"`
	Used    bool      `json:"used"`
}

type key struct {
	Key
	secret string
	// owner is the user of a key without tags, or who made one with tags; only API v1 has it.
	owner *user
	// destroyed keys are unknown to the API and to machines.
	destroyed bool
}

// usable tells whether a machine could join with the key.
func (k *key) usable(now time.Time) bool {
	return k.Revoked.IsZero() && now.Before(k.Expires) && (k.Reusable || !k.Used)
}

// Keys returns all keys there ever were, oldest first.
func (s *Server) Keys() []Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Key, 0, len(s.keys))
	for _, k := range s.keys {
		out = append(out, k.Key)
	}
	return out
}

type createCapabilities struct {
	Reusable      bool     `json:"reusable"`
	Ephemeral     bool     `json:"ephemeral"`
	Preauthorized bool     `json:"preauthorized"`
	Tags          []string `json:"tags"`
}

type keyCapabilities struct {
	Devices struct {
		Create createCapabilities `json:"create"`
	} `json:"devices"`
}

type createKeyRequest struct {
	KeyType       string          `json:"keyType"`
	Capabilities  keyCapabilities `json:"capabilities"`
	ExpirySeconds int64           `json:"expirySeconds"`
	Description   string          `json:"description"`
}

func (s *Server) createKey(w http.ResponseWriter, r *http.Request, caller principal) {
	var req createKeyRequest
	if !readJSON(w, r, &req) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	create := req.Capabilities.Devices.Create
	if refused := cmp.Or(s.refuseKey(req, caller), s.refuseTags(create.Tags, caller)); refused != nil {
		refused.write(w)
		return
	}
	expiry := time.Duration(req.ExpirySeconds) * time.Second
	if expiry <= 0 {
		expiry = maxKeyExpiry
	}
	s.keySerial++
	id := itoa(s.keySerial)
	secret := s.secretOf("auth", randomText(12))
	if !s.isHeadscale() {
		id = "k" + randomText(8) + "CNTRL"
		secret = s.secretOf("auth", id)
	}
	now := s.opts.Clock()
	created := &key{secret: secret, Key: Key{ID: id, Description: req.Description, Tags: slices.Clone(create.Tags), Reusable: create.Reusable,
		Ephemeral: create.Ephemeral, Preauthorized: create.Preauthorized || s.isHeadscale(), Created: now, Expires: now.Add(expiry)}}
	s.keys = append(s.keys, created)
	body := s.keyBody(created)
	body["key"] = secret
	writeJSON(w, http.StatusOK, body)
}

// keyDescription is the form of a key's description in Tailscale's api.md.
var keyDescription = regexp.MustCompile(`^[A-Za-z0-9 -]*$`)

// refusal is an error answer; nil means no refusal.
type refusal struct {
	status  int
	message string
	// details are in the data field, where Headscale puts the cause.
	details []string
}

func (r *refusal) write(w http.ResponseWriter) { writeError(w, r.status, r.message, r.details...) }

// refuseKey applies the server's refusals regardless of tags.
func (s *Server) refuseKey(req createKeyRequest, caller principal) *refusal {
	expiry := time.Duration(req.ExpirySeconds) * time.Second
	switch {
	case req.KeyType != "" && req.KeyType != "auth":
		return &refusal{status: http.StatusBadRequest, message: "keyType " + req.KeyType + " is not simulated"}
	case len(req.Description) > maxKeyDescription && s.isHeadscale():
		return &refusal{http.StatusUnprocessableEntity, "validation failed", []string{"expected length <= 50 (body.description)"}}
	case len(req.Description) > maxKeyDescription, !s.isHeadscale() && !keyDescription.MatchString(req.Description):
		return &refusal{status: http.StatusBadRequest, message: "invalid key description"}
	case expiry > maxKeyExpiry && !s.isHeadscale():
		return &refusal{status: http.StatusBadRequest, message: "invalid expirySeconds"}
	case len(req.Capabilities.Devices.Create.Tags) > 0:
		return nil
	case caller.oauth && s.isHeadscale():
		return &refusal{status: http.StatusForbidden, message: "an OAuth client must create tagged auth keys"}
	case caller.oauth:
		return &refusal{status: http.StatusBadRequest, message: "tailnet-owned auth key must have tags set"}
	case s.isHeadscale():
		return &refusal{status: http.StatusBadRequest, message: "an auth key without tags must be created with a user-owned API key"}
	}
	return nil
}

// refuseTags refuses tags the caller may not give.
func (s *Server) refuseTags(tags []string, caller principal) *refusal {
	if s.isHeadscale() {
		return s.refuseTagsHeadscale(tags, caller)
	}
	allowed := !caller.oauth || sameSet(tags, caller.tags)
	if !allowed {
		// A client of several tags may give all of them together, or tags owned by one of its own
		// (github.com/frankbria/auto-author pull request 490, tailscale.com/kb/1215/oauth-clients).
		allowed = !slices.ContainsFunc(tags, func(tag string) bool { return !s.ownedByTag(tag, caller.tags) })
	}
	defined := !slices.ContainsFunc(tags, func(tag string) bool { return s.tagOwners[tag] == nil })
	if allowed && defined {
		return nil
	}
	return &refusal{status: http.StatusBadRequest, message: fmt.Sprintf("requested tags %v are invalid or not permitted", tags)}
}

// refuseTagsHeadscale follows createAuthKey in hscontrol/api/v2/keys.go: an API key's tags are
// checked for their form only.
func (s *Server) refuseTagsHeadscale(tags []string, caller principal) *refusal {
	for _, tag := range tags {
		switch {
		case !strings.HasPrefix(tag, "tag:"):
			return &refusal{http.StatusBadRequest, "creating auth key", []string{"auth-key tag is invalid: '" + tag + "' did not begin with 'tag:'"}}
		case !caller.oauth:
		case s.tagOwners[tag] == nil:
			return &refusal{status: http.StatusBadRequest, message: "tag " + tag + " is not defined in policy"}
		case !slices.Contains(caller.tags, tag) && !s.ownedByTag(tag, caller.tags):
			return &refusal{status: http.StatusForbidden, message: "token may not assign tag " + tag}
		}
	}
	return nil
}

// ownedByTag tells whether the policy names one of the tags, or a tag owned by one of them, as an
// owner of the tag.
func (s *Server) ownedByTag(tag string, owners []string) bool {
	visited := map[string]bool{}
	var walk func(string) bool
	walk = func(tag string) bool {
		if visited[tag] {
			return false
		}
		visited[tag] = true
		return slices.ContainsFunc(s.tagOwners[tag], func(owner string) bool {
			return slices.Contains(owners, owner) || walk(owner)
		})
	}
	return walk(tag)
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// listKeys leaves out, at Tailscale, the keys of no use any more.
func (s *Server) listKeys(w http.ResponseWriter, _ *http.Request, _ principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Clock()
	out := []map[string]any{}
	for _, k := range s.keys {
		switch {
		case !s.isHeadscale() && !k.usable(now):
		case s.opts.ListKeyIDsOnly:
			out = append(out, map[string]any{"id": k.ID})
		default:
			out = append(out, s.keyBody(k))
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": out})
}

func (s *Server) getKey(w http.ResponseWriter, r *http.Request, _ principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.shownKey(r.PathValue("id")); k != nil {
		writeJSON(w, http.StatusOK, s.keyBody(k))
		return
	}
	s.keyNotFound(w)
}

// deleteKey revokes. A key revoked already is 404 at both servers (Headscale: RevokePreAuthKey in
// hscontrol/db).
func (s *Server) deleteKey(w http.ResponseWriter, r *http.Request, _ principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.shownKey(r.PathValue("id"))
	if k == nil || !k.Revoked.IsZero() {
		s.keyNotFound(w)
		return
	}
	k.Revoked = s.opts.Clock()
	writeJSON(w, http.StatusOK, map[string]any{})
}

// shownKey finds a key as shown by the API. Tailscale forgets used single-use keys
// (github.com/tailscale/terraform-provider-tailscale pull request 61).
func (s *Server) shownKey(id string) *key {
	i := slices.IndexFunc(s.keys, func(k *key) bool { return k.ID == id })
	if i < 0 || (!s.isHeadscale() && s.keys[i].Used && !s.keys[i].Reusable) {
		return nil
	}
	return s.keys[i]
}

func (s *Server) keyNotFound(w http.ResponseWriter) {
	message := "not found"
	if s.isHeadscale() {
		message = "auth key not found"
	}
	writeError(w, http.StatusNotFound, message)
}

func (s *Server) keyBody(k *key) map[string]any {
	var capabilities keyCapabilities
	capabilities.Devices.Create = createCapabilities{Reusable: k.Reusable, Ephemeral: k.Ephemeral, Preauthorized: k.Preauthorized, Tags: k.Tags}
	body := map[string]any{"id": k.ID, "keyType": "auth", "description": k.Description, "created": k.Created, "expires": k.Expires,
		"expirySeconds": int64(k.Expires.Sub(k.Created).Seconds()), "invalid": !k.usable(s.opts.Clock()), "capabilities": capabilities, "tags": k.Tags}
	if !k.Revoked.IsZero() {
		body["revoked"] = k.Revoked
	}
	return body
}
