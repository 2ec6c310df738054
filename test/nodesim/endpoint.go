// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// endpoint is the address a workload cluster's API server is reached at. It accepts connections
// only while it is open: without an approved and healthy control plane advertising it, a VIP has no
// host behind it, and a client sees its connections refused and its established ones cut.
type endpoint struct {
	address string
	handler http.Handler
	tls     *tls.Config

	mu       sync.Mutex
	listener net.Listener
	server   *http.Server
	conns    map[net.Conn]struct{}
}

// open starts to accept connections. It is a no-op when the endpoint is open.
func (e *endpoint) open(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.listener != nil {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.address)
	if err != nil {
		return fmt.Errorf("listen on the API endpoint: %w", err)
	}
	server := &http.Server{
		Handler:           e.handler,
		TLSConfig:         e.tls,
		ReadHeaderTimeout: 10 * time.Second,
		ConnState:         e.track,
		// Impatient clients, and watches cut by a failover, are not worth logging.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	e.listener, e.server, e.conns = l, server, map[net.Conn]struct{}{}
	// Serve ends with ErrServerClosed on close; clients notice any other error by a failed
	// connection.
	go func() { _ = server.ServeTLS(l, "", "") }()
	return nil
}

// close stops to accept connections and cuts the established ones.
func (e *endpoint) close() {
	e.mu.Lock()
	server, conns := e.server, slices.Collect(maps.Keys(e.conns))
	e.listener, e.server, e.conns = nil, nil, nil
	e.mu.Unlock()
	if server == nil {
		return
	}
	_ = server.Close()
	for _, c := range conns {
		_ = c.Close()
	}
}

// reset cuts the established connections, as a failover to another control
// plane does: the new host knows nothing of them.
func (e *endpoint) reset() {
	e.mu.Lock()
	conns := slices.Collect(maps.Keys(e.conns))
	e.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

func (e *endpoint) isOpen() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.listener != nil
}

// track keeps hijacked connections too: http.Server forgets those, and port-forwards to etcd are
// hijacked.
func (e *endpoint) track(c net.Conn, state http.ConnState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conns == nil {
		return
	}
	switch state {
	case http.StateNew, http.StateHijacked:
		e.conns[c] = struct{}{}
	case http.StateClosed:
		delete(e.conns, c)
	}
}
