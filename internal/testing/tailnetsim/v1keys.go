// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// v1CreateKey takes every tag of the right form, whether the policy knows it or not. A key without
// an expiration has expired already (CreatePreAuthKey in hscontrol/grpcv1.go).
func (s *Server) v1CreateKey(r *http.Request) (any, *v1Error) {
	var req struct {
		User       protoUint `json:"user"`
		Reusable   bool      `json:"reusable"`
		Ephemeral  bool      `json:"ephemeral"`
		Expiration time.Time `json:"expiration"`
		ACLTags    []string  `json:"aclTags"`
	}
	if refused := decode(r, &req); refused != nil {
		return nil, refused
	}
	for _, tag := range req.ACLTags {
		if refused := s.v1RefuseTag(tag); refused != nil {
			return nil, refused
		}
	}
	owner := s.userWithID(string(req.User))
	switch {
	case owner == nil && (req.User != "" || s.opts.Mode == Headscale026):
		return nil, refuse(codeUnknown, "user not found")
	case owner == nil && len(req.ACLTags) == 0:
		return nil, refuse(codeUnknown, "auth-key must be either tagged or owned by user")
	}
	tags := slices.Clone(req.ACLTags)
	slices.Sort(tags)
	s.keySerial++
	created := &key{secret: s.secretOf("auth", randomText(12)), owner: owner, Key: Key{
		ID: itoa(s.keySerial), Tags: slices.Compact(tags), Reusable: req.Reusable, Ephemeral: req.Ephemeral, Preauthorized: true,
		Created: s.opts.Clock(), Expires: req.Expiration,
	}}
	if s.opts.Mode == Headscale026 {
		created.secret = strings.ToLower(randomText(26) + randomText(22))
	}
	s.keys = append(s.keys, created)
	body := s.v1KeyBody(created)
	body.Key = created.secret
	return v1KeyAnswer{body}, nil
}

// v1RefuseTag is validateTag in hscontrol/grpcv1.go.
func (s *Server) v1RefuseTag(tag string) *v1Error {
	switch {
	case !strings.HasPrefix(tag, "tag:"):
		return refuse(codeInvalidArgument, "tag must start with the string 'tag:'")
	case strings.ToLower(tag) != tag:
		return refuse(codeInvalidArgument, "tag should be lowercase")
	case len(strings.Fields(tag)) > 1 && s.opts.Mode == Headscale029:
		return refuse(codeInvalidArgument, "tags must not contain spaces")
	case len(strings.Fields(tag)) > 1:
		return refuse(codeInvalidArgument, "tag should not contains space")
	}
	return nil
}

// v1ListKeys lists the keys that are used or have expired, too. 0.26 lists those of one user.
func (s *Server) v1ListKeys(r *http.Request) (any, *v1Error) {
	owner := s.userWithID(r.URL.Query().Get("user"))
	if owner == nil && s.opts.Mode == Headscale026 {
		return nil, refuse(codeUnknown, "user not found")
	}
	out := []v1Key{}
	for _, k := range s.keys {
		if !k.destroyed && (s.opts.Mode != Headscale026 || k.owner == owner) {
			out = append(out, s.v1KeyBody(k))
		}
	}
	return v1KeysAnswer{out}, nil
}

// v1ExpireKey says nothing of a key that it does not know, and counts the expiry of one that has
// expired anew.
func (s *Server) v1ExpireKey(r *http.Request) (any, *v1Error) {
	var req struct {
		ID protoUint `json:"id"`
	}
	if refused := decode(r, &req); refused != nil {
		return nil, refused
	}
	if k := s.v1Key(string(req.ID)); k != nil {
		k.Expires = s.opts.Clock()
		k.Revoked = k.Expires
	}
	return v1Nothing{}, nil
}

// v1DestroyKey says nothing of a key that it does not know. A device that joined with the key is
// without it once the server has restarted: the database forgets at once (DestroyPreAuthKey in
// hscontrol/db/preauth_keys.go), what is in memory stays.
func (s *Server) v1DestroyKey(r *http.Request) (any, *v1Error) {
	id := r.URL.Query().Get("id")
	if _, err := strconv.ParseUint(id, 10, 64); id != "" && err != nil {
		return nil, refuse(codeInvalidArgument, "parsing field %q: %s", "id", err)
	}
	if k := s.v1Key(id); k != nil {
		k.destroyed, k.Revoked = true, s.opts.Clock()
	}
	return v1Nothing{}, nil
}

func (s *Server) v1Key(id string) *key {
	i := slices.IndexFunc(s.keys, func(k *key) bool { return k.ID == id && !k.destroyed })
	if i < 0 {
		return nil
	}
	return s.keys[i]
}

// v1KeyBody shows the key's prefix, which is all that 0.28 and later keep of it in clear.
func (s *Server) v1KeyBody(k *key) v1Key {
	shown := k.secret
	if s.opts.Mode != Headscale026 {
		shown = k.secret[:strings.LastIndex(k.secret, "-")] + "-***"
	}
	return v1Key{
		User: k.owner.body(), ID: k.ID, Key: shown, Reusable: k.Reusable, Ephemeral: k.Ephemeral, Used: k.Used,
		Expiration: protoTime(k.Expires), CreatedAt: protoTime(k.Created), ACLTags: listed(k.Tags),
	}
}

// reloadKey reads the key that the device joined with from the database.
func (d *device) reloadKey(keys []*key) {
	d.joinedWith = nil
	for _, k := range keys {
		if k.ID == d.KeyID && !k.destroyed {
			reloaded := *k
			d.joinedWith = &reloaded
		}
	}
	if d.joinedWith == nil {
		d.KeyID = ""
	}
}

// listed is the list, empty instead of null.
func listed(texts []string) []string { return append([]string{}, texts...) }
