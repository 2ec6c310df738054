// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// The codes of gRPC in errors of API v1 (google.golang.org/grpc/codes).
const (
	codeUnknown         = 2
	codeInvalidArgument = 3
	codeNotFound        = 5
	codeUnimplemented   = 12
)

// statusOfCode is the HTTP status of a code (HTTPStatusFromCode in grpc-gateway's
// runtime/errors.go).
var statusOfCode = map[int]int{
	codeUnknown: 500, codeInvalidArgument: 400, 4: 504, codeNotFound: 404, 6: 409, 7: 403, 8: 429, codeUnimplemented: 501, 14: 503, 16: 401,
}

func codeOf(status int) int {
	for code, other := range statusOfCode {
		if other == status {
			return code
		}
	}
	return codeUnknown
}

// v1Error is the body of an error.
type v1Error struct {
	Code    int      `json:"code"`
	Message string   `json:"message"`
	Details []string `json:"details"`
}

func refuse(code int, format string, args ...any) *v1Error {
	return &v1Error{Code: code, Message: fmt.Sprintf(format, args...), Details: []string{}}
}

// v1Handler answers a call of API v1, under the lock.
type v1Handler func(*http.Request) (any, *v1Error)

// addV1 adds Headscale's API v1, which grpc-gateway makes of proto/headscale/v1/headscale.proto:
// what a client of machines needs, not the whole.
func (s *Server) addV1(mux *http.ServeMux) {
	const prefix = "/api/v1"
	paths := map[string]bool{}
	add := func(method, path, operation string, handle v1Handler) {
		paths[path] = true
		mux.HandleFunc(method+" "+prefix+path, s.v1(operation, handle))
	}
	add("GET", "/preauthkey", OpListKeys, s.v1ListKeys)
	add("POST", "/preauthkey", OpCreateKey, s.v1CreateKey)
	add("GET", "/node", OpListDevices, s.v1ListNodes)
	add("GET", "/node/{id}", OpGetDevice, s.v1GetNode)
	add("GET", "/policy", OpGetPolicy, s.v1GetPolicy)
	add("GET", "/user", OpListUsers, s.v1ListUsers)
	if s.opts.Mode != Headscale026 {
		add("GET", "/health", OpHealth, func(*http.Request) (any, *v1Error) { return v1Health{DatabaseConnectivity: true}, nil })
		add("POST", "/preauthkey/expire", OpDeleteKey, s.v1ExpireKey)
		add("DELETE", "/preauthkey", OpDestroyKey, s.v1DestroyKey)
		add("DELETE", "/node/{id}", OpDeleteDevice, s.v1DeleteNode)
		add("POST", "/node/{id}/approve_routes", OpSetRoutes, s.v1ApproveRoutes)
		add("POST", "/node/{id}/rename/{name}", OpSetName, s.v1RenameNode)
		add("PUT", "/policy", OpSetPolicy, s.v1SetPolicy)
	}
	for path := range paths {
		mux.HandleFunc(prefix+path, s.v1(OpOther, func(*http.Request) (any, *v1Error) {
			return nil, refuse(codeUnimplemented, "Method Not Allowed")
		}))
	}
	mux.HandleFunc(prefix+"/", s.v1(OpOther, func(*http.Request) (any, *v1Error) { return nil, refuse(codeNotFound, "Not Found") }))
}

func (s *Server) v1(operation string, handle v1Handler) http.HandlerFunc {
	return s.observed(operation, s.forAPIKeys(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.settle()
		answer, refused := handle(r)
		if refused != nil {
			s.writeProto(w, statusOfCode[refused.Code], refused)
			return
		}
		w.Header().Set("Grpc-Metadata-Content-Type", "application/grpc")
		s.writeProto(w, http.StatusOK, answer)
	}))
}

// decode reads a body. None is as good as an empty one. What is no JSON fails in Go's own words,
// and what does not fit in protojson's, which are not played.
func decode(r *http.Request, into any) *v1Error {
	var raw json.RawMessage
	err := json.NewDecoder(r.Body).Decode(&raw)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		return refuse(codeInvalidArgument, "%s", err)
	}
	return nil
}

// nodeID reads the id in the path (runtime.Uint64 of grpc-gateway).
func nodeID(r *http.Request) (string, *v1Error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 0, 64)
	if err != nil {
		return "", refuse(codeInvalidArgument, "type mismatch, parameter: node_id, error: %s", err)
	}
	return strconv.FormatUint(id, 10), nil
}
