// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Server is a simulated control server. Its methods are the control side and may be called at any
// time, Start or not.
type Server struct {
	opts    Options
	handler http.Handler
	http    *http.Server
	url     string

	mu        sync.Mutex
	apiKeys   map[string]bool
	clients   map[string]OAuthClient
	tokens    map[string]accessToken
	tagOwners map[string][]string
	approvers map[netip.Prefix][]string
	keys      []*key
	devices   []*device
	users     []*user
	policy    string
	// serial and keySerial count the devices and the keys.
	serial      int
	keySerial   int
	primaries   map[netip.Prefix]string
	prober      prober
	unreachable bool
	faults      []*Fault
	calls       []Call
}

type accessToken struct {
	client  string
	scopes  []string
	tags    []string
	expires time.Time
}

// New returns a server. It does not listen yet. Malformed prefixes in the options are an error.
func New(opts Options) (*Server, error) {
	s := &Server{
		opts:      opts.withDefaults(),
		apiKeys:   map[string]bool{},
		clients:   map[string]OAuthClient{},
		tokens:    map[string]accessToken{},
		primaries: map[netip.Prefix]string{},
	}
	if err := s.SetPolicy(opts.TagOwners, opts.AutoApprovers); err != nil {
		return nil, err
	}
	s.policy = opts.Policy
	for _, name := range opts.Users {
		s.userOf(name)
	}
	for _, apiKey := range opts.APIKeys {
		s.apiKeys[apiKey] = true
	}
	for _, client := range opts.OAuthClients {
		s.clients[client.ID] = client
	}
	s.handler = s.routes()
	return s, nil
}

// Start listens and serves until Close.
func (s *Server) Start() error {
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", s.opts.Addr)
	if err != nil {
		return fmt.Errorf("tailnetsim: %w", err)
	}
	s.url = "http://" + listener.Addr().String()
	s.http = &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
	return nil
}

// Handler is Start's handler, for a server with a listener of its own.
func (s *Server) Handler() http.Handler { return s.handler }

// URL is the server's address, without /api/v2. It is empty before Start.
func (s *Server) URL() string { return s.url }

// Close stops listening and cuts all connections.
func (s *Server) Close() {
	if s.http != nil {
		_ = s.http.Close()
	}
}

// Shutdown stops listening and lets requests end.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// AddAPIKey creates an API key with full access.
func (s *Server) AddAPIKey() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	apiKey := s.secretOf("api", randomText(12))
	s.apiKeys[apiKey] = true
	return apiKey
}

// RevokeAPIKey makes an API key unknown.
func (s *Server) RevokeAPIKey(apiKey string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.apiKeys, apiKey)
}

// AddClient creates an OAuth client.
func (s *Server) AddClient(scopes, tags []string) OAuthClient {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := randomText(12)
	client := OAuthClient{ID: id, Secret: s.secretOf("client", id), Scopes: slices.Clone(scopes), Tags: slices.Clone(tags)}
	s.clients[id] = client
	return client
}

// RevokeClient removes an OAuth client and its access tokens.
func (s *Server) RevokeClient(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, id)
	maps.DeleteFunc(s.tokens, func(_ string, token accessToken) bool { return token.client == id })
}

// ExpireTokens ends all access tokens; their clients can fetch new ones.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// SetPolicy replaces the tag owners and the approvers of routes.
func (s *Server) SetPolicy(tagOwners, autoApprovers map[string][]string) error {
	approvers := map[netip.Prefix][]string{}
	for text, tags := range autoApprovers {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("tailnetsim: auto approvers: %w", err)
		}
		approvers[prefix.Masked()] = slices.Clone(tags)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tagOwners, s.approvers = maps.Clone(tagOwners), approvers
	return nil
}

// SetUnreachable makes the server cut every connection of the API without an answer, or stop doing
// so. The control side goes on.
func (s *Server) SetUnreachable(unreachable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreachable = unreachable
}

func (s *Server) isHeadscale() bool { return s.opts.Mode != Tailscale }

// speaksV1 tells whether the server has Headscale's API v1 and no other.
func (s *Server) speaksV1() bool { return !s.opts.Mode.HasOAuth() }

// secretOf makes a credential in the form of the real ones: tskey-auth-<id>-<secret>,
// hskey-auth-<prefix>-<secret>, the latter with 64 letters (hscontrol/db/preauth_keys.go).
func (s *Server) secretOf(kind, id string) string {
	vendor := "tskey"
	if s.isHeadscale() {
		vendor = "hskey"
	}
	if s.speaksV1() {
		return fmt.Sprintf("hskey-%s-%s-%s", kind, id, strings.ToLower(rand.Text() + rand.Text() + rand.Text())[:64])
	}
	return fmt.Sprintf("%s-%s-%s-%s", vendor, kind, id, strings.ToLower(rand.Text()))
}

// randomText returns n random letters and digits, at most 26.
func randomText(n int) string { return rand.Text()[:n] }
