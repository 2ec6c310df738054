// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"encoding/json"
	"net/http"
)

// blankPage is what Headscale 0.28 answers to everything that it does not know.
const blankPage = `<!DOCTYPE html><html lang="en"><head><meta charset="UTF-8"><link href="/favicon.ico" rel="icon"></head><body></body></html>`

// build is the body of /version.
type build struct {
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	BuildTime string `json:"buildTime"`
	Go        struct {
		Version string `json:"version"`
		OS      string `json:"os"`
		Arch    string `json:"arch"`
	} `json:"go"`
	Dirty bool `json:"dirty"`
}

// addHeadscalePages adds what a Headscale serves beside its API (createRouter in hscontrol/app.go).
func (s *Server) addHeadscalePages(mux *http.ServeMux) {
	if s.opts.Version != "none" {
		mux.HandleFunc("GET /version", s.observed(OpVersion, s.showVersion))
	}
	mux.HandleFunc("GET /health", s.observed(OpHealth, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/health+json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(map[string]string{"status": "pass"})
	}))
}

func (s *Server) showVersion(w http.ResponseWriter, _ *http.Request) {
	body := build{Version: s.opts.Version, Commit: "unknown", BuildTime: "unknown"}
	body.Go.Version, body.Go.OS, body.Go.Arch = "go1.26.8", "linux", "amd64"
	writeJSON(w, http.StatusOK, body)
}

// addLegacyPages adds the answers of a Headscale before 0.30 to paths that it does not know. In
// 0.29 all below /api asks for a key first. In 0.28 and 0.26 only /api/v1 does, and the rest is an
// empty page or an empty 404.
func (s *Server) addLegacyPages(mux *http.ServeMux) {
	add := func(pattern string, handle http.HandlerFunc) { mux.HandleFunc(pattern, s.observed(OpOther, handle)) }
	switch s.opts.Mode {
	case Headscale028:
		add("/", showBlankPage)
	case Headscale026:
		add("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	default:
		add("GET /{$}", showBlankPage)
		add("/", http.NotFound)
		add("/api/", s.forAPIKeys(http.NotFound))
	}
}

func showBlankPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(blankPage))
}

// forAPIKeys lets only API keys through, as bearer tokens (httpAuthenticationMiddleware in
// hscontrol/app.go).
func (s *Server) forAPIKeys(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, isBearer := bearerToken(r)
		s.mu.Lock()
		known := isBearer && s.apiKeys[token]
		s.mu.Unlock()
		if !known {
			writeUnauthorized(w)
			return
		}
		next(w, r)
	}
}

func writeUnauthorized(w http.ResponseWriter) {
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte("Unauthorized"))
}
