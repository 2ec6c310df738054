// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"time"

	"tailscale.com/tailcfg"
	"tailscale.com/util/zstdframe"
)

// keepAlive is how often an idle stream sends a sign of life; tailscaled gives a silent one up
// after two minutes (controlclient's watchdog).
const keepAlive = 50 * time.Second

// stream is an open map request of a node.
type stream struct {
	wake chan struct{}
	pong chan struct{}
}

func newStream() *stream { return &stream{wake: make(chan struct{}, 1), pong: make(chan struct{}, 1)} }

// kick has the stream send the state.
func (st *stream) kick() { raise(st.wake) }

func raise(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *server) serveMap(w http.ResponseWriter, r *http.Request) {
	var req tailcfg.MapRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, "malformed request", http.StatusBadRequest)
		return
	}
	n := s.nodeOf(r, req.NodeKey)
	if n == nil {
		http.Error(w, "node not found", http.StatusNotFound)
		return
	}
	if !req.Stream {
		s.update(n, req)
		w.WriteHeader(http.StatusOK)
		return
	}
	s.follow(r.Context(), n, sender{w: w, compress: req.Compress == "zstd"})
}

// update takes over a node's facts about itself. A stream's request carries none of them since
// version 68 (tailcfg.MapRequest.Stream).
func (s *server) update(n *node, req tailcfg.MapRequest) {
	if req.ReadOnly {
		return
	}
	s.mu.Lock()
	n.disco, n.endpoints, n.version = req.DiscoKey, req.Endpoints, req.Version
	if req.Hostinfo != nil {
		n.hostinfo = req.Hostinfo
		if req.Hostinfo.NetInfo != nil && req.Hostinfo.NetInfo.PreferredDERP != 0 {
			n.homeDERP = req.Hostinfo.NetInfo.PreferredDERP
		}
	}
	s.mu.Unlock()
	if req.Hostinfo != nil {
		if err := s.sim.Advertise(n.device, req.Hostinfo.RoutableIPs...); err != nil {
			log.Printf("%s advertises in vain: %v", req.Hostinfo.Hostname, err)
		}
	}
	s.changed()
}

// follow sends a node the state until it goes away, and watches whether it is there.
func (s *server) follow(ctx context.Context, n *node, out sender) {
	st := newStream()
	s.arrive(n, st)
	defer s.leave(n, st)
	probe := time.NewTicker(s.probe)
	defer probe.Stop()
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	peers := map[tailcfg.NodeID]bool{}
	st.kick()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-st.wake:
			message, exists := s.mapResponse(n, peers)
			if err = out.send(message); err == nil && !exists {
				return
			}
		case <-probe.C:
			// A node answers each URL once (tailcfg.PingRequest.URL).
			err = out.send(&tailcfg.MapResponse{PingRequest: &tailcfg.PingRequest{
				URL: fmt.Sprintf("https://%s/machine/ping/%s?probe=%d", s.options.relay.address, n.device, time.Now().UnixNano()), URLIsNoise: true,
			}})
			s.expectPong(n, st)
		case <-alive.C:
			err = out.send(&tailcfg.MapResponse{KeepAlive: true})
		}
		if err != nil {
			return
		}
	}
}

// arrive makes the node online. What it asked while the server was away comes all at once and in no
// order: it may have streams that it has given up beside the one that it follows, as with Headscale
// (hscontrol/mapper, the connections of a node).
func (s *server) arrive(n *node, st *stream) {
	s.mu.Lock()
	n.streams[st] = true
	n.absent++
	s.mu.Unlock()
	s.setOnline(n, true)
}

// leave makes a node without streams offline, unless it comes back soon: Headscale waits as well
// (hscontrol/poll.go).
func (s *server) leave(n *node, st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(n.streams, st)
	if len(n.streams) > 0 {
		return
	}
	n.absent++
	absence := n.absent
	time.AfterFunc(s.absence, func() {
		s.mu.Lock()
		stale := n.absent != absence
		s.mu.Unlock()
		if !stale {
			s.setOnline(n, false)
		}
	})
}

// expectPong makes the node offline when it does not answer in time. The stream
// stays: the next answer makes it online again.
func (s *server) expectPong(n *node, st *stream) {
	go func() {
		select {
		case <-st.pong:
			s.setOnline(n, true)
		case <-time.After(s.timeout):
			s.mu.Lock()
			current := n.streams[st]
			s.mu.Unlock()
			if current {
				s.setOnline(n, false)
			}
		}
	}()
}

// servePong takes an answer for all of the node's streams.
func (s *server) servePong(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if n := s.nodes[r.PathValue("device")]; n != nil {
		for st := range n.streams {
			raise(st.pong)
		}
	}
	s.mu.Unlock()
	w.WriteHeader(http.StatusOK)
}

func (s *server) setOnline(n *node, online bool) {
	if s.devices()[n.device].Online == online {
		return
	}
	if err := s.sim.SetOnline(n.device, online); err != nil {
		return
	}
	log.Printf("%s is online: %t", hostname(n.hostinfo), online)
	s.changed()
}

// sender writes messages as the protocol frames them.
type sender struct {
	w        http.ResponseWriter
	compress bool
}

func (o sender) send(message *tailcfg.MapResponse) error {
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if o.compress {
		body = zstdframe.AppendEncode(nil, body, zstdframe.FastestCompression)
	}
	framed := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	if _, err := o.w.Write(append(framed, body...)); err != nil {
		return err
	}
	return http.NewResponseController(o.w).Flush()
}
