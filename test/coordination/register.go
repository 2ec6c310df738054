// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tailscale.com/tailcfg"
	"tailscale.com/types/key"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// taggedUser owns all devices: they have tags instead of users.
var taggedUser = tailcfg.UserProfile{ID: 1, LoginName: "tagged-devices", DisplayName: "Tagged Devices"}

func (s *server) serveRegister(w http.ResponseWriter, r *http.Request) {
	var req tailcfg.RegisterRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, "malformed request", http.StatusBadRequest)
		return
	}
	machine, _ := r.Context().Value(machineKey{}).(key.MachinePublic)
	if req.Followup != "" {
		// There are no interactive logins here.
		<-r.Context().Done()
		return
	}
	res, err := s.register(machine, req)
	var refused *tailnetsim.RegisterError
	switch {
	case errors.As(err, &refused):
		log.Printf("refused %s: %s", hostname(req.Hostinfo), refused.Message)
		// Headscale answers with a status and the text; Tailscale inside its answer.
		if text, ok := strings.CutPrefix(refused.Message, "register request: http 401: "); ok {
			http.Error(w, text, http.StatusUnauthorized)
			return
		}
		res.Error = refused.Message
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(res)
	s.changed()
}

func hostname(info *tailcfg.Hostinfo) string {
	if info == nil {
		return "a machine"
	}
	return info.Hostname
}

// register lets a machine in: by the key it has already, or by an auth key.
func (s *server) register(machine key.MachinePublic, req tailcfg.RegisterRequest) (tailcfg.RegisterResponse, error) {
	known := s.known(machine)
	switch {
	case known != nil && !req.Expiry.IsZero() && req.Expiry.Before(time.Now()):
		return tailcfg.RegisterResponse{NodeKeyExpired: true}, s.sim.Logout(known.device)
	case known != nil:
		s.mu.Lock()
		known.key = req.NodeKey
		s.mu.Unlock()
	case req.Auth == nil || req.Auth.AuthKey == "":
		return tailcfg.RegisterResponse{AuthURL: "https://" + s.options.relay.address + "/register"}, nil
	default:
		device, err := s.sim.Register(req.Auth.AuthKey, hostname(req.Hostinfo))
		if err != nil {
			return tailcfg.RegisterResponse{}, err
		}
		log.Printf("registered %s as %s", device.Hostname, device.IPv4)
		s.add(device, machine, req)
	}
	return tailcfg.RegisterResponse{
		User: tailcfg.User{ID: taggedUser.ID, DisplayName: taggedUser.DisplayName}, MachineAuthorized: true,
		Login: tailcfg.Login{ID: 1, LoginName: taggedUser.LoginName, DisplayName: taggedUser.DisplayName},
	}, nil
}

// known is the node of a machine with an existing, logged-in device.
func (s *server) known(machine key.MachinePublic) *node {
	devices := s.devices()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		if d, ok := devices[n.device]; ok && n.machine == machine && !d.LoggedOut {
			return n
		}
	}
	return nil
}

func (s *server) add(device tailnetsim.Device, machine key.MachinePublic, req tailcfg.RegisterRequest) {
	id, err := strconv.ParseInt(device.LegacyID, 10, 64)
	if err != nil {
		panic("the simulator's legacy identifiers are decimal: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[device.ID] = &node{device: device.ID, id: tailcfg.NodeID(id), machine: machine, key: req.NodeKey,
		version: req.Version, hostinfo: req.Hostinfo, streams: map[*stream]bool{}}
}

func (s *server) devices() map[string]tailnetsim.Device {
	devices := map[string]tailnetsim.Device{}
	for _, d := range s.sim.Devices() {
		devices[d.ID] = d
	}
	return devices
}
