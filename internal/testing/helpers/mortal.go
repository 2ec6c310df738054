// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Mortal is a process that can be killed at any of its calls: to OCI, to the tailnet, and writes to
// the API server, except events. Once it is dead, none of its requests reach a server, as after a
// SIGKILL, until Restart begins the next one.
type Mortal struct {
	// Client is the API server as the process sees it.
	Client client.Client

	env    *Environment
	config *rest.Config
	// ended tells of the end of the process's manager; nil if it has none.
	ended <-chan error

	mu     sync.Mutex
	ctx    context.Context //nolint:containedctx // The process's life: each pass ends with it.
	cancel context.CancelFunc
	// watched is set while calls are noted: those of a test's preparations are not.
	watched bool
	calls   []Boundary
	writes  map[string]int
	at      *Boundary
	dead    bool
	killed  bool
	made    map[string][]string
}

var errKilled = errors.New("the process was killed")

// NewMortal makes a living process.
func NewMortal(t *testing.T, env *Environment) *Mortal {
	t.Helper()
	m := &Mortal{env: env, config: rest.CopyConfig(env.Config), writes: map[string]int{}, made: map[string][]string{}}
	m.begin()
	m.config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &mortalAPI{m, next} })
	var err error
	m.Client, err = client.New(m.config, client.Options{Scheme: env.Scheme, Mapper: env.Client.RESTMapper()})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(m.end)
	return m
}

// Manager starts the process's manager, with informers of its own, as Environment.Manager does. It
// ends when the process is killed.
func (m *Mortal) Manager(t *testing.T, setup func(context.Context, manager.Manager) error, namespaces ...string) {
	t.Helper()
	var err error
	_, m.ended, err = m.env.startManager(m.Context(), m.config, setup, namespaces)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// end ends the process and waits until nothing of its manager runs any more. A killed one has
// nobody to tell an error to.
func (m *Mortal) end() {
	m.cancel()
	if m.ended != nil {
		<-m.ended //nolint:errcheck // see above
		m.ended = nil
	}
}

func (m *Mortal) begin() { m.ctx, m.cancel = context.WithCancel(context.Background()) }

// Context is for the process's work; it ends when the process is killed.
func (m *Mortal) Context() context.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ctx
}

// Watch notes calls from now on, and kills the process at the boundary, if one is given.
func (m *Mortal) Watch(at *Boundary) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watched, m.at = true, at
}

// Boundaries are the places for killing a process with the observed calls. A read changes nothing:
// before and after it are the same place.
func (m *Mortal) Boundaries() []Boundary {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// Dead tells whether the process was killed and not restarted.
func (m *Mortal) Dead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// Killed tells whether the boundary was reached.
func (m *Mortal) Killed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.killed
}

// Restart begins the next process. Nothing of the last one may run any more, but its manager, whose
// end is waited for.
func (m *Mortal) Restart() {
	m.end()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = false
	m.begin()
}

// Made are the OCIDs of the resources made by calls of a kind, each once.
func (m *Mortal) Made(kind string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.made[kind])
}

// enter is called before a call. last is set if the process dies right after it.
func (m *Mortal) enter(kind string, write bool) (last bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return false, errKilled
	}
	if !m.watched || !write {
		// A process killed at a read leaves the same state behind as after the write before it.
		return false, nil
	}
	m.writes[kind]++
	before := Boundary{Call: fmt.Sprintf("%s#%d", kind, m.writes[kind])}
	after := Boundary{Call: before.Call, After: true}
	if !slices.Contains(m.calls, before) {
		m.calls = append(m.calls, before, after)
	}
	switch {
	case m.at == nil || m.killed:
	case *m.at == before:
		m.die()
		return false, errKilled
	case *m.at == after:
		return true, nil
	}
	return false, nil
}

// die must be called with the lock held.
func (m *Mortal) die() {
	m.dead, m.killed = true, true
	m.cancel()
}

// leave is called when a call is done.
func (m *Mortal) leave(kind string, write bool, last bool, answer []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var made struct {
		ID string `json:"id"`
	}
	if write && json.Unmarshal(answer, &made) == nil && made.ID != "" && !slices.Contains(m.made[kind], made.ID) {
		m.made[kind] = append(m.made[kind], made.ID)
	}
	if last {
		m.die()
	}
}

// mortalAPI carries the process's requests to the API server.
type mortalAPI struct {
	m    *Mortal
	next http.RoundTripper
}

func (a *mortalAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	kind, write := kindOfKubernetes(r)
	if !write {
		if a.m.Dead() {
			return nil, errKilled
		}
		return a.next.RoundTrip(r)
	}
	last, err := a.m.enter(kind, true)
	if err != nil {
		return nil, err
	}
	response, err := a.next.RoundTrip(r)
	if !last {
		return response, err
	}
	if err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	a.m.leave(kind, false, true, nil)
	return nil, errKilled
}

// Through stands between the process and the service at the address, OCI or the tailnet, and
// returns its own address.
func (m *Mortal) Through(t *testing.T, service, address string) string {
	t.Helper()
	target, err := url.Parse(address)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, write := kindOfService(service, r)
		last, err := m.enter(kind, write)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host, out.RequestURI = target.Scheme, target.Host, ""
		response, err := transport.RoundTrip(out)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		answer, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		m.leave(kind, write, last, answer)
		if last || err != nil {
			panic(http.ErrAbortHandler)
		}
		for name, values := range response.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(response.StatusCode)
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// kindOfKubernetes is the kind of a call to the API server, as "PUT ocimeshmachines/status".
func kindOfKubernetes(r *http.Request) (kind string, write bool) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	skip := 2 // api/v1
	if parts[0] == "apis" {
		skip = 3
	}
	if len(parts) > skip+2 && parts[skip] == "namespaces" {
		skip += 2
	}
	if len(parts) <= skip {
		return r.Method, false
	}
	kind = r.Method + " " + parts[skip]
	if len(parts) > skip+2 {
		kind += "/" + parts[skip+2]
	}
	return kind, r.Method != http.MethodGet && parts[skip] != "events"
}

// kindOfService is the kind of a call to OCI or the tailnet, as "POST oci instances" or "GET
// tailnet device/*/routes".
func kindOfService(service string, r *http.Request) (kind string, write bool) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	for len(parts) > 1 && (parts[0] == "api" || strings.Trim(parts[0], "v0123456789") == "") {
		parts = parts[1:]
	}
	for i := 1; i < len(parts); i += 2 {
		if parts[i-1] != "actions" && parts[i-1] != "oauth" {
			parts[i] = "*"
		}
	}
	kind = r.Method + " " + service + " " + strings.Join(parts, "/")
	// A token is asked for by POST, and changes nothing.
	return kind, r.Method != http.MethodGet && !strings.HasSuffix(kind, "oauth/token")
}
