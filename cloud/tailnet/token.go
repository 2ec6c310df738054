// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// operationToken is the operation of access tokens in metrics.
const operationToken = "Token"

// tokenSource fetches and keeps the access token of an OAuth client. The client library's own way
// of doing this ignores the caller's context, timeout and CA certificates (oauth.go of v2.9.0 uses
// context.Background and http.DefaultClient).
type tokenSource struct {
	conf   clientcredentials.Config
	client *http.Client
	// lock is held while current is used or fetched. It is a channel, so a caller can stop waiting
	// for it.
	lock    chan struct{}
	current *oauth2.Token
}

func newTokenSource(client *http.Client, tokenURL string, creds OAuth) *tokenSource {
	return &tokenSource{
		conf: clientcredentials.Config{
			ClientID:     creds.ClientID,
			ClientSecret: creds.ClientSecret.Reveal(),
			TokenURL:     tokenURL,
			Scopes:       creds.Scopes,
			// Both servers take the credentials in the form. To find out would cost a second
			// request on each failure.
			AuthStyle: oauth2.AuthStyleInParams,
		},
		client: client,
		lock:   make(chan struct{}, 1),
	}
}

// token returns a token that is valid for a while yet.
func (s *tokenSource) token(ctx context.Context) (*oauth2.Token, error) {
	select {
	case s.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.lock }()
	if s.current.Valid() {
		return s.current, nil
	}
	ctx = context.WithValue(withOperation(ctx, operationToken), oauth2.HTTPClient, s.client)
	token, err := s.conf.Token(ctx)
	if err != nil {
		return nil, err
	}
	s.current = token
	return token, nil
}

// forget drops a token refused by the server: the next request fetches another.
func (s *tokenSource) forget(ctx context.Context, refused *oauth2.Token) {
	select {
	case s.lock <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-s.lock }()
	if s.current == refused {
		s.current = nil
	}
}

// grantedScopes are the scopes of the present token; none if the server does not say.
func (s *tokenSource) grantedScopes(ctx context.Context) ([]string, error) {
	token, err := s.token(ctx)
	if err != nil {
		return nil, err
	}
	granted, _ := token.Extra("scope").(string)
	return strings.Fields(granted), nil
}

// bearer adds the access token to requests.
type bearer struct {
	tokens *tokenSource
	next   http.RoundTripper
}

// RoundTrip repeats a request once, with a new token, if the server refuses the cached one: it may
// have been revoked before its time. Nothing has happened then, so any request can be repeated.
func (b *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := b.tokens.token(req.Context())
	if err != nil {
		closeBody(req)
		return nil, err
	}
	res, err := b.send(req, token)
	var answer *responseError
	if !errors.As(err, &answer) || answer.status != http.StatusUnauthorized {
		return res, err
	}
	b.tokens.forget(req.Context(), token)
	again, renewErr := b.tokens.token(req.Context())
	if renewErr != nil {
		return nil, renewErr
	}
	repeated := req.Clone(req.Context())
	if req.GetBody != nil {
		if repeated.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	return b.send(repeated, again)
}

func (b *bearer) send(req *http.Request, token *oauth2.Token) (*http.Response, error) {
	authorized := req.Clone(req.Context())
	token.SetAuthHeader(authorized)
	return b.next.RoundTrip(authorized)
}

// closeBody follows http.RoundTripper's rule for a transport not sending the request.
func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// grants tells whether the granted scopes include the wanted one. The scope devices is the one of
// OAuth clients made before the scopes became finer (tailscale.com/kb/1215/oauth-clients).
func grants(granted []string, want string) bool {
	return slices.ContainsFunc(granted, func(have string) bool {
		return have == want || have == "all" || have == "devices"
	})
}
