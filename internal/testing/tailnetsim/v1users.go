// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"net/http"
	"slices"
	"time"
)

// user is a Headscale's.
type user struct {
	id, name, displayName string
	created               time.Time
}

// taggedDevices is the user that Headscale shows of nodes with tags (hscontrol/types/users.go).
var taggedDevices = &user{id: "2147455555", name: "tagged-devices", displayName: "Tagged Devices"}

func (u *user) body() *v1User {
	if u == nil {
		return nil
	}
	return &v1User{ID: u.id, Name: u.name, DisplayName: u.displayName, CreatedAt: protoTime(u.created)}
}

// userOf returns the user of this name, a new one if there is none.
func (s *Server) userOf(name string) *user {
	if i := slices.IndexFunc(s.users, func(u *user) bool { return u.name == name }); i >= 0 {
		return s.users[i]
	}
	created := &user{id: itoa(len(s.users) + 1), name: name, created: s.opts.Clock()}
	s.users = append(s.users, created)
	return created
}

func (s *Server) userWithID(id string) *user {
	i := slices.IndexFunc(s.users, func(u *user) bool { return u.id == id })
	if i < 0 {
		return nil
	}
	return s.users[i]
}

func (s *Server) v1ListUsers(r *http.Request) (any, *v1Error) {
	name := r.URL.Query().Get("name")
	out := []v1User{}
	for _, u := range s.users {
		if name == "" || u.name == name {
			out = append(out, *u.body())
		}
	}
	return v1UsersAnswer{out}, nil
}

// v1GetPolicy shows the file word for word. That there is none was not recorded (GetPolicy in
// hscontrol/grpcv1.go).
func (s *Server) v1GetPolicy(*http.Request) (any, *v1Error) {
	switch s.policy {
	case "":
		return v1Policy{Policy: s.madePolicy()}, nil
	case "none":
		return nil, refuse(codeUnknown, "reading policy from path %q: open : no such file or directory", "")
	default:
		return v1Policy{Policy: s.policy}, nil
	}
}

// v1SetPolicy is refused as long as the policy is a file.
func (s *Server) v1SetPolicy(*http.Request) (any, *v1Error) {
	return nil, refuse(codeUnknown, "update is disabled for modes other than 'database'")
}
