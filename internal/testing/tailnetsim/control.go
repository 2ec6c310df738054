// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
)

// The bodies of the control side over HTTP, below /sim/. Everybody with access to the server may
// use it: it is a simulator's.
type (
	registerBody struct {
		AuthKey  string `json:"authKey"`
		Hostname string `json:"hostname"`
	}
	changeBody struct {
		ID       string         `json:"id"`
		Online   bool           `json:"online"`
		Prefixes []netip.Prefix `json:"prefixes"`
	}
	prefixBody struct {
		Prefix netip.Prefix `json:"prefix"`
	}
	flagBody struct {
		On bool `json:"on"`
	}
	clientBody struct {
		ID string `json:"id"`
	}
	nothing struct{}
)

// addControl adds the control side. Faults and unreachability do not touch it.
func (s *Server) addControl(mux *http.ServeMux) {
	control(mux, "register", func(in registerBody) (Device, error) { return s.Register(in.AuthKey, in.Hostname) })
	control(mux, "advertise", func(in changeBody) (nothing, error) { return nothing{}, s.Advertise(in.ID, in.Prefixes...) })
	control(mux, "online", func(in changeBody) (nothing, error) { return nothing{}, s.SetOnline(in.ID, in.Online) })
	control(mux, "logout", func(in changeBody) (nothing, error) { return nothing{}, s.Logout(in.ID) })
	control(mux, "primary", func(in prefixBody) (Device, error) {
		primary, found := s.PrimaryRouter(in.Prefix)
		if !found {
			return Device{}, ErrNoDevice
		}
		return primary, nil
	})
	control(mux, "devices", func(nothing) ([]Device, error) { return s.Devices(), nil })
	control(mux, "keys", func(nothing) ([]Key, error) { return s.Keys(), nil })
	control(mux, "leftovers", func(nothing) (Leftovers, error) { return s.Leftovers(), nil })
	control(mux, "calls", func(nothing) ([]Call, error) { return s.Calls(), nil })
	control(mux, "inject", func(in Fault) (nothing, error) { s.Inject(in); return nothing{}, nil })
	control(mux, "unreachable", func(in flagBody) (nothing, error) { s.SetUnreachable(in.On); return nothing{}, nil })
	control(mux, "revoke-client", func(in clientBody) (nothing, error) { s.RevokeClient(in.ID); return nothing{}, nil })
}

// control adds POST /sim/<verb>: a JSON body in, a JSON body out, 404 for a missing device and 403
// for a refused machine.
func control[In, Out any](mux *http.ServeMux, verb string, run func(In) (Out, error)) {
	mux.HandleFunc("POST /sim/"+verb, func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			writeError(w, http.StatusBadRequest, err.Error())
			return
		}
		out, err := run(in)
		var refused *RegisterError
		switch {
		case errors.As(err, &refused):
			writeError(w, http.StatusForbidden, refused.Message)
		case errors.Is(err, ErrNoDevice):
			writeError(w, http.StatusNotFound, err.Error())
		case err != nil:
			writeError(w, http.StatusBadRequest, err.Error())
		default:
			writeJSON(w, http.StatusOK, out)
		}
	})
}
