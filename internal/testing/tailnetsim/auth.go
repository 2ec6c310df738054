// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// tokenLife is the life of an access token, an hour at both servers.
const tokenLife = time.Hour

// principal is a request's sender.
type principal struct {
	// oauth is set if the request carries an access token. An API key may do everything.
	oauth  bool
	scopes []string
	tags   []string
}

// issueToken is the client-credentials grant. The secret holds the client's identifier, so only the
// secret matters.
func (s *Server) issueToken(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.oauthError(w, http.StatusBadRequest, "invalid_request", "could not parse request body", "invalid form")
		return
	}
	if grant := r.PostForm.Get("grant_type"); grant != "" && grant != "client_credentials" {
		s.oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "only the client_credentials grant is supported", "unsupported grant type")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	client, known := s.clientOf(r)
	if !known {
		s.oauthError(w, http.StatusUnauthorized, "invalid_client", "invalid client credentials", "API token invalid")
		return
	}
	scopes := strings.Fields(r.PostForm.Get("scope"))
	for _, scope := range scopes {
		if !granted(client.Scopes, scope) {
			s.scopeRefused(w, scopes, scope)
			return
		}
	}
	if len(scopes) == 0 {
		scopes = client.Scopes
	}
	kind := "api"
	if s.isHeadscale() {
		kind = "oauthtok"
	}
	token := s.secretOf(kind, randomText(12))
	s.tokens[token] = accessToken{client: client.ID, scopes: scopes, tags: client.Tags, expires: s.opts.Clock().Add(tokenLife)}
	writeJSON(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer",
		"expires_in": int(tokenLife.Seconds()), "scope": strings.Join(scopes, " ")})
}

func (s *Server) clientOf(r *http.Request) (OAuthClient, bool) {
	secret := r.PostForm.Get("client_secret")
	if secret == "" {
		_, secret, _ = r.BasicAuth()
	}
	for _, client := range s.clients {
		if secret != "" && client.Secret == secret {
			return client, true
		}
	}
	return OAuthClient{}, false
}

// oauthError answers as RFC 6749 has it at Headscale, and with a message only at Tailscale
// (github.com/tailscale/gitops-acl-action issue 33).
func (s *Server) oauthError(w http.ResponseWriter, status int, code, description, message string) {
	if s.isHeadscale() {
		writeJSON(w, status, map[string]string{"error": code, "error_description": description})
		return
	}
	writeError(w, status, message)
}

// scopeRefused is 400 at Headscale, 403 at Tailscale (github.com/adinhodovic/tailscale-exporter
// issue 34).
func (s *Server) scopeRefused(w http.ResponseWriter, scopes []string, refused string) {
	status := http.StatusForbidden
	if s.isHeadscale() {
		status = http.StatusBadRequest
	}
	s.oauthError(w, status, "invalid_scope", "scope "+refused+" is not granted to this client",
		fmt.Sprintf("OAuth client cannot grant scopes %q", strings.Join(scopes, " ")))
}

// authenticated lets only known callers with the scope through.
func (s *Server) authenticated(scope string, next func(http.ResponseWriter, *http.Request, principal)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		caller, known := s.principalOf(r)
		s.mu.Unlock()
		unauthorized, forbidden := "API token invalid", "calling actor does not have enough permissions to perform this function"
		if s.isHeadscale() {
			unauthorized, forbidden = "unauthorized", "token is missing the required scope "+scope
		}
		switch {
		case !known:
			writeError(w, http.StatusUnauthorized, unauthorized)
		case caller.oauth && !granted(caller.scopes, scope):
			writeError(w, http.StatusForbidden, forbidden)
		default:
			next(w, r, caller)
		}
	}
}

func (s *Server) principalOf(r *http.Request) (principal, bool) {
	secret, isBearer := bearerToken(r)
	if !isBearer {
		secret, _, _ = r.BasicAuth()
	}
	if s.apiKeys[secret] {
		return principal{}, true
	}
	token, known := s.tokens[secret]
	if !known || !s.opts.Clock().Before(token.expires) {
		return principal{}, false
	}
	return principal{oauth: true, scopes: token.scopes, tags: token.tags}, true
}

func bearerToken(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// granted tells whether the scopes include the wanted one: itself, the write scope of a read scope,
// all, all:read, and the scope devices of Tailscale's older clients.
func granted(have []string, want string) bool {
	read, isRead := strings.CutSuffix(want, ":read")
	return slices.ContainsFunc(have, func(scope string) bool {
		switch scope {
		case want, "all":
			return true
		case "all:read":
			return isRead
		case "devices":
			return strings.HasPrefix(want, "devices:") || strings.HasPrefix(want, "auth_keys")
		default:
			return isRead && scope == read
		}
	})
}

// inTailnet refuses tailnets other than this one.
func (s *Server) inTailnet(next func(http.ResponseWriter, *http.Request, principal)) func(http.ResponseWriter, *http.Request, principal) {
	return func(w http.ResponseWriter, r *http.Request, caller principal) {
		name := r.PathValue("tailnet")
		if name == "-" || (!s.isHeadscale() && name == s.opts.Tailnet) {
			next(w, r, caller)
			return
		}
		writeError(w, http.StatusNotFound, "tailnet not found")
	}
}
