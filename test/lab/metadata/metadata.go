// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package metadata serves what every OCI subnet has at link-local addresses: the
// instance metadata service (version 2), the resolver, and iSCSI targets, of
// which there is only the open port. Machines are told apart by their address.
package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
)

// Instance is what the service tells of a machine, in OCI's words (docs.oracle.com, Compute/Tasks/gettingmetadata.htm).
type Instance struct {
	ID                 string            `json:"id"`
	DisplayName        string            `json:"displayName"`
	Hostname           string            `json:"hostname"`
	CompartmentID      string            `json:"compartmentId"`
	Region             string            `json:"region"`
	AvailabilityDomain string            `json:"availabilityDomain"`
	FaultDomain        string            `json:"faultDomain"`
	Shape              string            `json:"shape"`
	State              string            `json:"state"`
	Metadata           map[string]string `json:"metadata"`
}

// Service serves one account.
type Service struct {
	// Names are what the resolver answers, by name without the last dot.
	names map[string]netip.Addr

	mu        sync.Mutex
	instances map[netip.Addr]Instance
	closers   []io.Closer
}

// Serve starts the services of an account. names are all names there are.
func Serve(ctx context.Context, account *network.Account, names map[string]netip.Addr) (*Service, error) {
	s := &Service{names: names, instances: map[netip.Addr]Instance{}}
	if err := s.serve(ctx, account.Namespace()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Service) serve(ctx context.Context, namespace string) error {
	web, err := network.Listen(ctx, namespace, "tcp", network.MetadataAddress+":80")
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
	for _, address := range []string{network.BootVolumeAddress, network.DataVolumeAddress} {
		target, err := network.Listen(ctx, namespace, "tcp", address+":3260")
		if err != nil {
			return fmt.Errorf("stand in for iSCSI: %w", err)
		}
		s.closers = append(s.closers, target)
		go accept(target)
	}
	return nil
}

// accept opens and closes connections, which shows that the port can be reached.
func accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_ = conn.Close()
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
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// ServeHTTP answers /opc/v2/instance/ and what lies below it. Version 1 is switched off, as it is by default on
// instances of today; version 2 wants its header (the same page, "Upgrading to IMDSv2").
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, found := strings.CutPrefix(r.URL.Path, "/opc/v2/instance")
	source, err := netip.ParseAddrPort(r.RemoteAddr)
	s.mu.Lock()
	instance, known := s.instances[source.Addr().Unmap()]
	s.mu.Unlock()
	switch {
	case err != nil || !known || !found || r.Method != http.MethodGet:
		http.NotFound(w, r)
	case r.Header.Get("Authorization") != "Bearer Oracle":
		http.Error(w, "missing or malformed Authorization header", http.StatusForbidden)
	default:
		answer(w, r, instance, strings.Split(strings.Trim(rest, "/"), "/"))
	}
}

// answer walks down the document; a string is answered in plain text.
func answer(w http.ResponseWriter, r *http.Request, instance Instance, path []string) {
	text, err := json.Marshal(instance)
	var value any
	if err == nil {
		err = json.Unmarshal(text, &value)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for _, name := range path {
		if name == "" {
			continue
		}
		object, _ := value.(map[string]any)
		if value = object[name]; value == nil {
			http.NotFound(w, r)
			return
		}
	}
	if plain, ok := value.(string); ok {
		_, _ = io.WriteString(w, plain)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
