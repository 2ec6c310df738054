// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"tailscale.com/control/controlhttp/controlhttpserver"
	"tailscale.com/derp/derpserver"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// relay is where nodes reach the DERP relay and the STUN server.
type relay struct{ address, https, stun string }

type options struct {
	relay relay
	// tags are those whose devices the policy has keep their network maps.
	tags                    []string
	probe, timeout, absence time.Duration
}

// server holds the control protocol's own state beside the simulator's devices.
type server struct {
	options
	sim   *tailnetsim.Server
	noise key.MachinePrivate
	derp  *derpserver.Server
	relay *tailcfg.DERPMap

	mu sync.Mutex
	// nodes are by device ID.
	nodes map[string]*node
}

// node is the control protocol's part of a device.
type node struct {
	device    string
	id        tailcfg.NodeID
	machine   key.MachinePublic
	key       key.NodePublic
	disco     key.DiscoPublic
	endpoints []netip.AddrPort
	homeDERP  int
	version   tailcfg.CapabilityVersion
	hostinfo  *tailcfg.Hostinfo
	// streams are the open map requests.
	streams map[*stream]bool
	// absent counts disconnections, so a timer knows whether it is stale.
	absent int
}

func newServer(sim *tailnetsim.Server, o options) (*server, error) {
	_, https, err := net.SplitHostPort(o.relay.https)
	if err != nil {
		return nil, fmt.Errorf("the HTTPS address: %w", err)
	}
	_, stun, err := net.SplitHostPort(o.relay.stun)
	if err != nil {
		return nil, fmt.Errorf("the STUN address: %w", err)
	}
	httpsPort, err := strconv.Atoi(https)
	if err != nil {
		return nil, fmt.Errorf("the HTTPS port: %w", err)
	}
	stunPort, err := strconv.Atoi(stun)
	if err != nil {
		return nil, fmt.Errorf("the STUN port: %w", err)
	}
	const region = 900
	return &server{
		options: o, sim: sim, noise: key.NewMachine(), derp: derpserver.New(key.NewNode(), quiet), nodes: map[string]*node{},
		relay: &tailcfg.DERPMap{OmitDefaultRegions: true, Regions: map[int]*tailcfg.DERPRegion{region: {
			RegionID: region, RegionCode: "lab", RegionName: "lab", Nodes: []*tailcfg.DERPNode{{
				Name: "lab1", RegionID: region, HostName: o.relay.address, IPv4: o.relay.address, DERPPort: httpsPort, STUNPort: stunPort,
			}},
		}}},
	}, nil
}

func quiet(string, ...any) {}

func (s *server) close() { _ = s.derp.Close() }

// relayHandler serves the DERP relay over TLS.
func (s *server) relayHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/derp", derpserver.Handler(s.derp))
	mux.HandleFunc("/derp/probe", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	return mux
}

// handler serves the control protocol and the API over TLS.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /key", s.serveKey)
	mux.HandleFunc("/ts2021", s.serveNoise)
	api := s.sim.Handler()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		api.ServeHTTP(w, r)
		if r.Method != http.MethodGet {
			s.changed()
		}
	})
	return mux
}

func (s *server) serveKey(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(tailcfg.OverTLSPublicKeyResponse{PublicKey: s.noise.Public()})
}

type machineKey struct{}

// serveNoise upgrades a connection to the Noise protocol and serves HTTP/2 in it.
func (s *server) serveNoise(w http.ResponseWriter, r *http.Request) {
	conn, err := controlhttpserver.AcceptHTTP(r.Context(), w, r, s.noise, nil)
	if err != nil {
		log.Printf("a connection could not be upgraded: %v", err)
		return
	}
	defer func() { _ = conn.Close() }()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /machine/register", s.serveRegister)
	mux.HandleFunc("POST /machine/map", s.serveMap)
	mux.HandleFunc("HEAD /machine/ping/{device}", s.servePong)
	mux.HandleFunc("POST /machine/update-health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	(&http2.Server{}).ServeConn(conn, &http2.ServeConnOpts{
		Context:    context.WithValue(r.Context(), machineKey{}, conn.Peer()),
		BaseConfig: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second},
	})
}

// nodeOf finds the node of a request, and only if the sending machine owns the key.
func (s *server) nodeOf(r *http.Request, nodeKey key.NodePublic) *node {
	machine, _ := r.Context().Value(machineKey{}).(key.MachinePublic)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		if n.key == nodeKey && n.machine == machine {
			return n
		}
	}
	return nil
}

// changed has all open streams send the state as it is now.
func (s *server) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		for st := range n.streams {
			st.kick()
		}
	}
}
