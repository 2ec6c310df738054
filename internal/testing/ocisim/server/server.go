// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// maxBody is far above the largest request OCI takes.
const maxBody = 1 << 20

// Server is an http.Handler in the role of OCI's regional endpoints, all services on one host.
type Server struct {
	world *model.World
	mux   *http.ServeMux
	done  chan struct{}
}

// New builds the handler over a world.
func New(world *model.World) *Server {
	server := &Server{world: world, mux: http.NewServeMux(), done: make(chan struct{})}
	for _, table := range [][]route{
		identityRoutes(), networkRoutes(), wellFormed(computeRoutes()), wellFormed(storageRoutes()), limitsRoutes(), balancerRoutes(),
		lbRoutes(), drgRoutes(), wellFormed(poolRoutes()),
	} {
		for _, entry := range table {
			server.mux.HandleFunc(entry.pattern, func(w http.ResponseWriter, r *http.Request) { server.serve(w, r, entry) })
		}
	}
	server.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		server.serve(w, r, route{operation: "Unknown", handle: func(*call) (any, error) {
			return nil, &model.Error{Status: http.StatusNotFound, Code: "NotFound",
				Message: "There is no operation supported at the URI path and HTTP method you specified in the request."}
		}})
	})
	return server
}

// Close ends hanging calls.
func (s *Server) Close() { close(s.done) }

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

type handler func(c *call) (any, error)

// route binds a net/http pattern to an operation of OCI's name.
type route struct {
	pattern   string
	operation string
	handle    handler
	// empty is the status of an answer without a body, 204 when 0.
	empty int
}

// wellFormed has routes refuse what is no OCID. Compute and block storage do so, networks answer
// 404 (answers of the real service in the cassettes of oracle/oci-cli, services/core/tests).
func wellFormed(table []route) []route {
	for i, entry := range table {
		table[i].handle = func(c *call) (any, error) {
			if id := c.path("id"); id != "" && !model.IsOCID(id) {
				return nil, model.ErrInvalid("Invalid ocid: %s", id)
			}
			return entry.handle(c)
		}
	}
	return table
}

// answer is a response before it is written.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, entry route) {
	record := model.Call{Method: r.Method, Operation: entry.operation, RequestID: requestID(r), Time: s.world.Now()}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		s.write(w, refusal(model.ErrCannotParse("The request body cannot be read")), record)
		return
	}
	// Clients sign with the wall clock, whatever clock the simulation runs on.
	state, user, err := authenticate(s.world, r, body, s.world.WallClock())
	if err != nil {
		s.write(w, refusal(err), record)
		return
	}
	record.Tenancy = state.Name()
	if err := state.Admit(); err != nil {
		s.write(w, refusal(err), record)
		return
	}
	c := &call{state: state, user: user, request: r, body: body, header: http.Header{}}
	fault, hit := s.world.Faults.Take(state.Name(), entry.operation)
	if hit {
		s.wait(r, fault.Delay)
		if fault.WorkRequestFails {
			c.failure = &model.Error{Code: fault.Code, Message: fault.Message}
		} else if !fault.AfterCommit && s.strike(w, r, fault, record) {
			return
		}
	}
	result := c.run(entry)
	if hit && fault.AfterCommit && s.strike(w, r, fault, record) {
		return
	}
	s.write(w, result, record)
}

// strike answers a call with a fault. It reports false when the fault gives no
// answer of its own.
func (s *Server) strike(w http.ResponseWriter, r *http.Request, fault model.Fault, record model.Call) bool {
	switch {
	case fault.Hang:
		select {
		case <-r.Context().Done():
		case <-s.done:
		}
		fallthrough
	case fault.Reset:
		s.world.Calls.Add(record)
		breakConnection(w)
	case fault.Err() != nil:
		s.write(w, refusal(fault.Err()), record)
	default:
		return false
	}
	return true
}

// breakConnection makes the client see a reset rather than an orderly end.
func breakConnection(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

func (s *Server) wait(r *http.Request, delay time.Duration) {
	if delay <= 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	case <-s.done:
	}
}

// requestID continues the caller's opc-request-id, as OCI's front ends do.
func requestID(r *http.Request) string {
	return model.NewRequestID(r.Header.Get("opc-request-id"))
}

func (s *Server) write(w http.ResponseWriter, result answer, record model.Call) {
	record.Status = result.status
	s.world.Calls.Add(record)
	for name, values := range result.header {
		w.Header()[name] = values
	}
	w.Header().Set("opc-request-id", record.RequestID)
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if len(result.body) > 0 && w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(result.status)
	// A client already gone cannot be told about it.
	_, _ = w.Write(result.body)
}

func refusal(err error) answer {
	var refused *model.Error
	if !errors.As(err, &refused) {
		refused = &model.Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: "An internal server error occurred."}
	}
	result := answer{status: refused.Status, header: http.Header{}}
	if refused.RetryAfter > 0 {
		result.header.Set("Retry-After", strconv.Itoa(int(refused.RetryAfter.Seconds())))
	}
	// A struct of two strings always marshals.
	result.body, _ = json.Marshal(struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{refused.Code, refused.Message})
	return result
}
