// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// listDevices filters by hostname and tags at Tailscale; Headscale takes the filters and ignores
// them.
func (s *Server) listDevices(w http.ResponseWriter, r *http.Request, _ principal) {
	query := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []map[string]any{}
	for _, d := range s.devices {
		if s.isHeadscale() || (matches(query["hostname"], d.Hostname) && matches(query["tags"], d.Tags...)) {
			out = append(out, s.deviceBody(d, query.Get("fields") == "all"))
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"devices": out})
}

// matches tells whether one of the values is wanted, or nothing is.
func matches(wanted []string, values ...string) bool {
	return len(wanted) == 0 || slices.ContainsFunc(values, func(value string) bool { return slices.Contains(wanted, value) })
}

// ofDevice looks up the device of the path, under the lock.
func (s *Server) ofDevice(next func(http.ResponseWriter, *http.Request, principal, *device)) func(http.ResponseWriter, *http.Request, principal) {
	return func(w http.ResponseWriter, r *http.Request, caller principal) {
		s.mu.Lock()
		defer s.mu.Unlock()
		d := s.deviceOf(r.PathValue("id"))
		if d == nil {
			message := "no such device id"
			if s.isHeadscale() {
				message = "device not found"
			}
			writeError(w, http.StatusNotFound, message)
			return
		}
		next(w, r, caller, d)
		s.reelect(d.Advertised...)
	}
}

func (s *Server) getDevice(w http.ResponseWriter, r *http.Request, _ principal, d *device) {
	writeJSON(w, http.StatusOK, s.deviceBody(d, r.URL.Query().Get("fields") == "all"))
}

func (s *Server) deleteDevice(w http.ResponseWriter, _ *http.Request, _ principal, d *device) {
	s.remove(d)
	writeJSON(w, http.StatusOK, map[string]any{})
}

func (s *Server) getRoutes(w http.ResponseWriter, _ *http.Request, _ principal, d *device) {
	writeJSON(w, http.StatusOK, map[string]any{"advertisedRoutes": texts(d.Advertised), "enabledRoutes": texts(d.Enabled)})
}

// setRoutes replaces the enabled routes. A route may be enabled before the device advertises it.
func (s *Server) setRoutes(w http.ResponseWriter, r *http.Request, caller principal, d *device) {
	var req struct {
		Routes []string `json:"routes"`
	}
	if !readJSON(w, r, &req) {
		return
	}
	enabled := []netip.Prefix{}
	for _, text := range req.Routes {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix != prefix.Masked() {
			writeError(w, http.StatusBadRequest, "invalid route: "+text)
			return
		}
		if !slices.Contains(enabled, prefix) {
			enabled = append(enabled, prefix)
		}
	}
	d.Enabled = enabled
	s.getRoutes(w, r, caller, d)
}

// setTags refuses as creating a key does. Headscale cannot take the tags away
// (hscontrol/api/v2/devices.go).
func (s *Server) setTags(w http.ResponseWriter, r *http.Request, caller principal, d *device) {
	var req struct {
		Tags []string `json:"tags"`
	}
	if !readJSON(w, r, &req) {
		return
	}
	if refused := s.refuseTags(req.Tags, caller); refused != nil {
		refused.write(w)
		return
	}
	if len(req.Tags) > 0 || !s.isHeadscale() {
		d.Tags = req.Tags
	}
	writeJSON(w, http.StatusOK, map[string]any{})
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request, _ principal, d *device) {
	var req struct {
		Authorized bool `json:"authorized"`
	}
	if !readJSON(w, r, &req) {
		return
	}
	if !req.Authorized && s.isHeadscale() {
		writeError(w, http.StatusBadRequest, "Headscale does not support de-authorizing a device; delete or expire it instead")
		return
	}
	d.Authorized = req.Authorized
	writeJSON(w, http.StatusOK, map[string]any{})
}

func (s *Server) setName(w http.ResponseWriter, r *http.Request, _ principal, d *device) {
	var req struct {
		Name string `json:"name"`
	}
	if !readJSON(w, r, &req) {
		return
	}
	name := strings.ToLower(req.Name)
	if !s.isHeadscale() && !strings.HasSuffix(name, "."+s.opts.Domain) {
		name += "." + s.opts.Domain
	}
	if slices.ContainsFunc(s.devices, func(other *device) bool { return other != d && other.Name == name }) {
		writeError(w, http.StatusBadRequest, fmt.Sprintf("name %q is already in use", req.Name))
		return
	}
	d.Name = name
	writeJSON(w, http.StatusOK, map[string]any{})
}

// setKey switches key expiry. Headscale cannot switch it on again and says nothing.
func (s *Server) setKey(w http.ResponseWriter, r *http.Request, _ principal, d *device) {
	var req struct {
		KeyExpiryDisabled bool `json:"keyExpiryDisabled"`
	}
	if !readJSON(w, r, &req) {
		return
	}
	if req.KeyExpiryDisabled || !s.isHeadscale() {
		d.KeyExpiryDisabled = req.KeyExpiryDisabled
	}
	writeJSON(w, http.StatusOK, map[string]any{})
}

// deviceBody is a device as the API shows it. Headscale has no connectedToControl; both leave
// lastSeen out while the device is online, and the routes unless all fields are asked for.
func (s *Server) deviceBody(d *device, allFields bool) map[string]any {
	body := map[string]any{
		"addresses": addresses(d), "id": d.LegacyID, "nodeId": d.ID, "hostname": d.Hostname, "name": d.Name,
		"user": cmp.Or(d.User, "tagged-devices"), "tags": d.Tags, "authorized": d.Authorized, "isEphemeral": d.Ephemeral, "created": d.Created,
		"keyExpiryDisabled": d.KeyExpiryDisabled, "os": "linux", "clientVersion": "1.102.3", "updateAvailable": false,
		"machineKey": "mkey:" + d.LegacyID, "nodeKey": "nodekey:" + d.LegacyID,
	}
	if !d.Online {
		body["lastSeen"] = d.LastSeen
	}
	if !d.KeyExpiryDisabled {
		body["expires"] = d.Created.Add(180 * 24 * time.Hour)
		if !d.Expires.IsZero() {
			body["expires"] = d.Expires
		}
	}
	if d.LoggedOut {
		body["expires"] = d.LastSeen
	}
	if !s.isHeadscale() {
		body["connectedToControl"], body["isExternal"], body["tailnetLockError"] = d.Online, d.External, d.LockError
	}
	if d.External {
		// Tailscale's api.md, "Device", says so of each of these.
		body["created"], body["machineKey"], body["clientVersion"], body["tags"] = "", "", "", []string{}
	}
	if allFields {
		body["advertisedRoutes"], body["enabledRoutes"] = texts(d.Advertised), texts(d.Enabled)
	}
	return body
}

func addresses(d *device) []string {
	out := []string{}
	for _, address := range []netip.Addr{d.IPv4, d.IPv6} {
		if address.IsValid() {
			out = append(out, address.String())
		}
	}
	return out
}

func texts(prefixes []netip.Prefix) []string {
	out := make([]string, 0, len(prefixes))
	for _, prefix := range prefixes {
		out = append(out, prefix.String())
	}
	return out
}
