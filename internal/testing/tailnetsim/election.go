// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"net/netip"
	"slices"
	"time"
)

// PrimaryRouter returns the device receiving peers' traffic for the prefix: it is online,
// advertises the prefix and may. At Tailscale it is the oldest one, and this takes over again when
// it comes back (github.com/tailscale/tailscale issue 8389). At Headscale the present one stays as
// long as it can, and since 0.29 as long as it answers probes (electPrimaryRoutes in
// hscontrol/state/node_store.go).
func (s *Server) PrimaryRouter(prefix netip.Prefix) (Device, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	primary := s.electPrimary(prefix)
	if primary == nil {
		return Device{}, false
	}
	return primary.clone(), true
}

// electPrimary keeps a holder that does not answer if nobody does: another one is no better.
func (s *Server) electPrimary(prefix netip.Prefix) *device {
	var holder, elected *device
	for _, d := range s.devices {
		if !d.routes(prefix) {
			continue
		}
		if s.isHeadscale() && s.primaries[prefix] == d.ID {
			holder = d
		}
		if elected == nil && !d.unhealthy {
			elected = d
		}
	}
	if holder != nil && (!holder.unhealthy || elected == nil) {
		return holder
	}
	delete(s.primaries, prefix)
	if elected != nil {
		s.primaries[prefix] = elected.ID
	}
	return elected
}

// routes tells whether the device may receive traffic for the prefix.
func (d *device) routes(prefix netip.Prefix) bool {
	return d.Online && d.Authorized && slices.Contains(d.Advertised, prefix) && slices.Contains(d.Enabled, prefix)
}

// reelect settles the primaries after a change: Headscale's stickiness must not depend on the time
// of a query.
func (s *Server) reelect(prefixes ...netip.Prefix) {
	for _, prefix := range prefixes {
		s.electPrimary(prefix)
	}
}

// The intervals of Headscale's probes, by default (node.routes.ha in its configuration).
const (
	probeInterval = 10 * time.Second
	probeTimeout  = 5 * time.Second
)

// prober is the state of Headscale's HAHealthProber (hscontrol/state/ha_health.go of v0.29.2). Its
// cycles begin every ten seconds. Each ends at once if all answer, else after five seconds.
type prober struct {
	// next is the begin of the next cycle; zero before the first call.
	next time.Time
	// asked are the devices of the cycle that waits for an answer until the end.
	asked []*device
	end   time.Time
}

// SetHung stops a device without its connection being cut, as SIGSTOP does, or lets it go on. It
// stays online. Headscale notices since 0.29, by probes; other servers do not.
func (s *Server) SetHung(id string, hung bool) error {
	return s.change(id, func(d *device) error {
		d.hung = hung
		return nil
	})
}

// Restart is a restart of the server: what it knew and its database does not is gone. The devices
// are back before anybody looks.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restart()
}

// Restore is a restart with a backup of the database that has these devices and no other; with none
// of them the server is set up anew. Headscale counts on from the last one that it knows, so that
// it gives numbers out again. Keys, users and the policy stay.
func (s *Server) Restore(known ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices = slices.DeleteFunc(s.devices, func(d *device) bool { return !slices.Contains(known, d.ID) })
	s.serial = 0
	for _, d := range s.devices {
		s.serial = max(s.serial, d.serial)
	}
	s.restart()
}

func (s *Server) restart() {
	s.prober = prober{}
	clear(s.primaries)
	for _, d := range s.devices {
		d.connected, d.unhealthy = s.opts.Clock(), false
		d.reloadKey(s.keys)
	}
	s.reelectAll()
}

// settle does what the probes have done since the last call. Everything that looks at primaries, or
// changes what they depend on, comes here first.
func (s *Server) settle() {
	if s.opts.Mode != Headscale && s.opts.Mode != Headscale029 {
		return
	}
	now := s.opts.Clock()
	p := &s.prober
	if p.next.IsZero() {
		p.next = now.Add(probeInterval)
	}
	if len(p.asked) == 0 && !slices.ContainsFunc(s.devices, func(d *device) bool { return d.hung || d.unhealthy }) {
		if late := now.Sub(p.next); late >= 0 {
			p.next = p.next.Add(late.Truncate(probeInterval) + probeInterval)
		}
		return
	}
	for {
		switch {
		case len(p.asked) > 0 && !now.Before(p.end):
			s.endCycle()
		case len(p.asked) == 0 && !now.Before(p.next):
			s.beginCycle()
		default:
			return
		}
	}
}

// beginCycle asks all routers of which another one could take a route over.
func (s *Server) beginCycle() {
	p := &s.prober
	p.end = p.next
	for _, d := range s.devices {
		if s.replaceable(d) {
			p.asked = append(p.asked, d)
			if d.hung {
				p.end = p.next.Add(probeTimeout)
			}
		}
	}
	p.next = p.next.Add(probeInterval)
}

func (s *Server) replaceable(d *device) bool {
	return slices.ContainsFunc(d.Advertised, func(prefix netip.Prefix) bool {
		return d.routes(prefix) && slices.ContainsFunc(s.devices, func(other *device) bool { return other != d && other.routes(prefix) })
	})
}

// endCycle takes the answers. Silence says nothing of a device that has connected since the cycle
// before, and then the whole cycle says nothing.
func (s *Server) endCycle() {
	p := &s.prober
	asked := p.asked
	p.asked = nil
	before := p.next.Add(-2 * probeInterval)
	if slices.ContainsFunc(asked, func(d *device) bool { return d.hung && d.Online && !d.connected.Before(before) }) {
		return
	}
	for _, d := range asked {
		if d.Online {
			d.unhealthy = d.hung
		}
	}
	s.reelectAll()
}

func (s *Server) reelectAll() {
	for _, d := range s.devices {
		s.reelect(d.Advertised...)
	}
}
