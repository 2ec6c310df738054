// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/server"
)

// Options configure a simulator. The zero value of each field is a default.
type Options struct {
	Tenancies []*Tenancy
	// Clock is the real one when nil.
	Clock Clock
	// Delays are DefaultDelays when nil.
	Delays *Delays
	// PageSize is the largest page of a list, whatever limit the caller asks for; OCI's 1,000 by
	// default. Small ones find clients reading only the first page.
	PageSize int
	// Booter follows the machines' life cycles; nil boots nothing.
	Booter Booter
	// Seed varies the answers where OCI is known or likely to give several: orders, page lengths,
	// codes, proofs of being gone. With 0 there is no variety.
	Seed uint64
	// PublicIPs is the range of public IPv4 addresses, 198.18.0.0/15 by default. A stand-in for a
	// load balancer can listen on one in 127.0.0.0/8.
	PublicIPs netip.Prefix
}

// Sim is a running simulator.
type Sim struct {
	world    *model.World
	handler  *server.Server
	http     *http.Server
	listener net.Listener
}

// New builds a simulator. It does not listen yet.
func New(options Options) (*Sim, error) {
	config := model.Config{Clock: options.Clock, PageSize: options.PageSize, Booter: options.Booter, Delays: DefaultDelays(), PublicIPs: options.PublicIPs, Variety: model.Variety{Seed: options.Seed}}
	if config.Clock == nil {
		config.Clock = model.RealClock{}
	}
	if options.Delays != nil {
		config.Delays = *options.Delays
	}
	if config.PageSize == 0 {
		config.PageSize = model.MaxPage
	}
	if !config.PublicIPs.IsValid() {
		config.PublicIPs = netip.MustParsePrefix("198.18.0.0/15") // RFC 2544: for benchmarks, unused on the Internet
	}
	for _, tenancy := range options.Tenancies {
		config.Tenancies = append(config.Tenancies, &tenancy.Tenancy)
	}
	world, err := model.NewWorld(config)
	if err != nil {
		return nil, fmt.Errorf("building the simulator: %w", err)
	}
	return &Sim{world: world, handler: server.New(world)}, nil
}

// Start listens on an address, as "127.0.0.1:0", and serves until Close.
func (s *Sim) Start(address string) error {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return fmt.Errorf("starting the simulator: %w", err)
	}
	s.listener = listener
	s.http = &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		// Serve ends with ErrServerClosed in Close; the listener cannot fail otherwise.
		_ = s.http.Serve(listener)
	}()
	return nil
}

// URL is the endpoint of every service, as http://127.0.0.1:40000.
func (s *Sim) URL() string { return "http://" + s.listener.Addr().String() }

// Close ends hanging calls, life cycles, booters' contexts and the server.
func (s *Sim) Close() error {
	s.world.Close()
	s.handler.Close()
	if s.http == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	return err
}
