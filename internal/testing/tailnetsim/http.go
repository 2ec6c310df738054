// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"encoding/json"
	"net/http"
	"strconv"
)

func itoa(n int) string { return strconv.Itoa(n) }

// routes builds the whole HTTP surface: the API of the mode, and the control side below /sim/.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	s.addControl(mux)
	switch s.opts.Mode {
	case HeadscaleOld:
		s.addHeadscalePages(mux)
		s.addLegacyPages(mux)
	case Headscale029, Headscale028, Headscale026:
		s.addHeadscalePages(mux)
		s.addLegacyPages(mux)
		s.addV1(mux)
	case Headscale:
		s.addHeadscalePages(mux)
		s.addAPI(mux)
	default:
		s.addAPI(mux)
	}
	return mux
}

func (s *Server) addAPI(mux *http.ServeMux) {
	add := func(pattern, operation, scope string, handle func(http.ResponseWriter, *http.Request, principal)) {
		mux.HandleFunc(pattern, s.observed(operation, s.authenticated(scope, handle)))
	}
	mux.HandleFunc("POST /api/v2/oauth/token", s.observed(OpToken, s.issueToken))
	add("POST /api/v2/tailnet/{tailnet}/keys", OpCreateKey, "auth_keys", s.inTailnet(s.createKey))
	add("GET /api/v2/tailnet/{tailnet}/keys", OpListKeys, "auth_keys:read", s.inTailnet(s.listKeys))
	add("GET /api/v2/tailnet/{tailnet}/keys/{id}", OpGetKey, "auth_keys:read", s.inTailnet(s.getKey))
	add("DELETE /api/v2/tailnet/{tailnet}/keys/{id}", OpDeleteKey, "auth_keys", s.inTailnet(s.deleteKey))
	add("GET /api/v2/tailnet/{tailnet}/devices", OpListDevices, "devices:core:read", s.inTailnet(s.listDevices))
	add("GET /api/v2/tailnet/{tailnet}/acl", OpGetPolicy, "policy_file:read", s.inTailnet(s.getPolicy))
	add("GET /api/v2/device/{id}", OpGetDevice, "devices:core:read", s.ofDevice(s.getDevice))
	add("DELETE /api/v2/device/{id}", OpDeleteDevice, "devices:core", s.ofDevice(s.deleteDevice))
	add("GET /api/v2/device/{id}/routes", OpGetRoutes, "devices:routes:read", s.ofDevice(s.getRoutes))
	add("POST /api/v2/device/{id}/routes", OpSetRoutes, "devices:routes", s.ofDevice(s.setRoutes))
	add("POST /api/v2/device/{id}/tags", OpSetTags, "devices:core", s.ofDevice(s.setTags))
	add("POST /api/v2/device/{id}/authorized", OpAuthorize, "devices:core", s.ofDevice(s.authorize))
	add("POST /api/v2/device/{id}/name", OpSetName, "devices:core", s.ofDevice(s.setName))
	add("POST /api/v2/device/{id}/key", OpSetKey, "devices:core", s.ofDevice(s.setKey))
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// writeError answers in the form of both servers' errors.
func writeError(w http.ResponseWriter, status int, message string, details ...string) {
	body := map[string]any{"message": message, "status": status}
	if len(details) > 0 {
		body["data"] = []map[string]any{{"errors": details}}
	}
	writeJSON(w, status, body)
}

// readJSON reads the body, or answers 400.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		writeError(w, http.StatusBadRequest, "invalid JSON in the request body")
		return false
	}
	return true
}
