// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
)

// gate stands between the managers and OCI, and can hold launches back: they were sent, and arrive
// when it is opened, even if the sender has ended meanwhile.
type gate struct {
	mu sync.Mutex
	// pass is how many launches are let through before the rest is held; closed is set while
	// launches are held.
	pass   int
	closed bool
	opened chan struct{}
	// held are the names of the instances with waiting launches, oldest first.
	held []string
	// late are OCI's answers to held launches.
	late []int
	// made are the names of the instances in answers to launches, by OCID.
	made map[string]string
}

func newGate(pass int) *gate {
	return &gate{pass: pass, closed: true, opened: make(chan struct{}), made: map[string]string{}}
}

// between starts the gate in front of OCI, and returns its address.
func (g *gate) between(t *testing.T, oci string) string {
	t.Helper()
	target, err := url.Parse(oci)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.forward(w, r, target) }))
	t.Cleanup(func() {
		g.open()
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

func (g *gate) forward(w http.ResponseWriter, r *http.Request, target *url.URL) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	launch := r.Method == http.MethodPost && strings.HasSuffix(strings.Trim(r.URL.Path, "/"), "/instances")
	waited := launch && g.wait(nameIn(body))
	// A sent launch arrives, even if the sender no longer waits for the answer.
	out := r.Clone(context.WithoutCancel(r.Context()))
	out.URL.Scheme, out.URL.Host, out.RequestURI = target.Scheme, target.Host, ""
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if launch {
		g.note(response.StatusCode, answer, waited)
	}
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	_, _ = w.Write(answer)
}

// wait holds a launch until the gate is opened, if it is one to hold.
func (g *gate) wait(name string) (waited bool) {
	g.mu.Lock()
	if !g.closed || g.pass > 0 {
		g.pass--
		g.mu.Unlock()
		return false
	}
	g.held = append(g.held, name)
	g.mu.Unlock()
	<-g.opened
	return true
}

// letPass lets launches pass from now on. Waiting ones go on waiting.
func (g *gate) letPass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}

// open releases the waiting launches.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.opened:
	default:
		close(g.opened)
	}
}

func (g *gate) note(status int, answer []byte, waited bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if waited {
		g.late = append(g.late, status)
	}
	var made struct{ ID, DisplayName string }
	if status < http.StatusBadRequest && json.Unmarshal(answer, &made) == nil {
		g.made[made.ID] = made.DisplayName
	}
}

// waiting are the names of the instances with waiting launches.
func (g *gate) waiting() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.held)
}

// arrived are OCI's answers to the released launches.
func (g *gate) arrived() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.late)
}

// launched is how many instances of each name were made.
func (g *gate) launched() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	counts := map[string]int{}
	for _, name := range g.made {
		counts[name]++
	}
	return counts
}

func nameIn(body []byte) string {
	var asked struct {
		DisplayName string `json:"displayName"`
	}
	_ = json.Unmarshal(body, &asked)
	return asked.DisplayName
}
