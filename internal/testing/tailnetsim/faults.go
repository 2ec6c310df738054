// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// The operations of the API, for faults and the call log.
const (
	OpToken        = "Token"
	OpCreateKey    = "CreateKey"
	OpListKeys     = "ListKeys"
	OpGetKey       = "GetKey"
	OpDeleteKey    = "DeleteKey"
	OpListDevices  = "ListDevices"
	OpGetDevice    = "GetDevice"
	OpDeleteDevice = "DeleteDevice"
	OpGetRoutes    = "GetRoutes"
	OpSetRoutes    = "SetRoutes"
	OpSetTags      = "SetTags"
	OpAuthorize    = "Authorize"
	OpSetName      = "SetName"
	OpSetKey       = "SetKey"
	OpVersion      = "Version"
	OpHealth       = "Health"
	// The following are of Headscale's API v1 only. Of its others CreateKey, ListKeys, ListDevices,
	// GetDevice, DeleteDevice, SetRoutes and SetName mean the same, and DeleteKey is the end of a
	// key as a client should make it: it expires.
	OpDestroyKey = "DestroyKey"
	OpGetPolicy  = "GetPolicy"
	OpSetPolicy  = "SetPolicy"
	OpListUsers  = "ListUsers"
	// OpOther is every path that the server does not know.
	OpOther = "Other"
)

// Fault makes the next calls of an operation go wrong.
type Fault struct {
	// Operation is one of the Op constants; empty means any.
	Operation string `json:"operation"`
	// Times is how many calls are hit. Zero means one.
	Times int `json:"times"`
	// Delay is how long a call waits before anything else happens to it, in nanoseconds.
	Delay time.Duration `json:"delay"`
	// Status is answered instead of the operation. With zero the operation happens.
	Status int `json:"status"`
	// Message is the message of this answer.
	Message string `json:"message"`
	// Body is a body other than JSON, such as a proxy's, in place of the message.
	Body string `json:"body"`
	// RetryAfter is the Retry-After header of this answer, in seconds; zero means none.
	RetryAfter int `json:"retryAfter"`
	// LoseAnswer makes the operation happen and cuts the connection before the answer.
	LoseAnswer bool `json:"loseAnswer"`
}

// Call is a request to the API.
type Call struct {
	Time      time.Time `json:"time"`
	Operation string    `json:"operation"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	// Status is the answer's; zero if the connection was cut.
	Status int `json:"status"`
}

// Inject adds a fault. Faults of one operation hit in the order of their addition.
func (s *Server) Inject(fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fault.Times = max(fault.Times, 1)
	s.faults = append(s.faults, &fault)
}

// ClearFaults removes the pending faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Calls returns the requests so far, oldest first.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// CallCount returns how many requests of an operation arrived.
func (s *Server) CallCount(operation string) int {
	n := 0
	for _, call := range s.Calls() {
		if call.Operation == operation {
			n++
		}
	}
	return n
}

// ResetCalls empties the call log.
func (s *Server) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// takeFault returns the fault for this call, if any.
func (s *Server) takeFault(operation string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, fault := range s.faults {
		if fault.Operation != "" && fault.Operation != operation {
			continue
		}
		if fault.Times--; fault.Times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		hit := *fault
		return &hit
	}
	return nil
}

// recorder remembers the status of an answer and can keep the answer back.
type recorder struct {
	http.ResponseWriter
	status int
	lose   bool
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	if !r.lose {
		r.ResponseWriter.WriteHeader(status)
	}
}

func (r *recorder) Write(body []byte) (int, error) {
	if r.lose {
		return len(body), nil
	}
	return r.ResponseWriter.Write(body)
}

// observed wraps an operation with unreachability, faults and the call log.
func (s *Server) observed(operation string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		lost := s.perform(rec, r, operation, next)
		if lost {
			rec.status = 0
		}
		s.mu.Lock()
		s.calls = append(s.calls, Call{Time: s.opts.Clock(), Operation: operation, Method: r.Method, Path: r.URL.Path, Status: rec.status})
		s.mu.Unlock()
		if lost {
			panic(http.ErrAbortHandler)
		}
	}
}

// perform runs the operation with its fault. It reports whether the connection is to be cut.
func (s *Server) perform(rec *recorder, r *http.Request, operation string, next http.HandlerFunc) (lost bool) {
	s.mu.Lock()
	unreachable := s.unreachable
	s.mu.Unlock()
	if unreachable {
		return true
	}
	fault := s.takeFault(operation)
	if fault == nil {
		next(rec, r)
		return false
	}
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			return true
		}
	}
	switch {
	case fault.Status != 0:
		s.answerFault(rec, fault)
	case fault.LoseAnswer:
		rec.lose = true
		next(rec, r)
		return true
	default:
		next(rec, r)
	}
	return false
}

func (s *Server) answerFault(w http.ResponseWriter, f *Fault) {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", itoa(f.RetryAfter))
	}
	message := cmp.Or(f.Message, http.StatusText(f.Status))
	switch {
	case f.Body != "":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
	case s.speaksV1() && f.Status == http.StatusUnauthorized:
		writeUnauthorized(w)
	case s.speaksV1():
		s.writeProto(w, f.Status, v1Error{Code: codeOf(f.Status), Message: message, Details: []string{}})
	default:
		writeError(w, f.Status, message)
	}
}
