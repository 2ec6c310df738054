// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package metadata serves the link-local addresses of every OCI subnet: the instance metadata
// service (version 2), the resolver, and iSCSI targets, these as open ports only. Machines are told
// apart by their address.
package metadata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
)

// Service serves one VCN.
type Service struct {
	// Names are the resolver's answers, by name without the last dot.
	names map[string]netip.Addr

	mu        sync.Mutex
	instances map[netip.Addr]Instance
	closers   []io.Closer
}

// Serve starts the services of a VCN. names are all names there are.
func Serve(ctx context.Context, vcn *network.VCN, names map[string]netip.Addr) (*Service, error) {
	s := &Service{names: names, instances: map[netip.Addr]Instance{}}
	if err := s.serve(ctx, vcn.Namespace()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Service) serve(ctx context.Context, namespace string) error {
	web, err := s.listen(ctx, namespace, network.MetadataAddress+":80")
	if err != nil {
		return fmt.Errorf("serve instance metadata: %w", err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.closers = append(s.closers, server)
	go func() { _ = server.Serve(web) }()
	resolver, err := network.ListenPacket(ctx, namespace, "udp", network.MetadataAddress+":53")
	if err != nil {
		return fmt.Errorf("serve names: %w", err)
	}
	s.closers = append(s.closers, resolver)
	go s.resolve(resolver)
	streams, err := s.listen(ctx, namespace, network.MetadataAddress+":53")
	if err != nil {
		return fmt.Errorf("serve names: %w", err)
	}
	go accept(streams, s.resolveStream)
	for _, address := range []string{network.BootVolumeAddress, network.DataVolumeAddress} {
		target, err := s.listen(ctx, namespace, address+":3260")
		if err != nil {
			return fmt.Errorf("stand in for iSCSI: %w", err)
		}
		// An open port shows a reachable volume.
		go accept(target, func(net.Conn) {})
	}
	return nil
}

func (s *Service) listen(ctx context.Context, namespace, address string) (net.Listener, error) {
	listener, err := network.Listen(ctx, namespace, "tcp", address)
	if err == nil {
		s.closers = append(s.closers, listener)
	}
	return listener, err
}

// accept hands connections to a function and closes them after it, until the
// listener is closed.
func accept(listener net.Listener, serve func(net.Conn)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			serve(conn)
			_ = conn.Close()
		}()
	}
}

// Set tells the service of the machine at an address.
func (s *Service) Set(address netip.Addr, instance Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances[address] = instance
}

// Delete forgets the machine at an address.
func (s *Service) Delete(address netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.instances, address)
}

// Close ends all services.
func (s *Service) Close() error {
	var errs []error
	for _, c := range s.closers {
		// The web server closes its listener, so it is closed a second time.
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
