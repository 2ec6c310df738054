// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Device is a registered machine.
type Device struct {
	// ID is the stable identifier: decimal at Headscale, n…CNTRL at Tailscale.
	ID string `json:"id"`
	// LegacyID is Tailscale's decimal identifier; a device can be addressed by it too.
	LegacyID          string         `json:"legacyId"`
	Hostname          string         `json:"hostname"`
	Name              string         `json:"name"`
	IPv4              netip.Addr     `json:"ipv4"`
	IPv6              netip.Addr     `json:"ipv6"`
	Tags              []string       `json:"tags"`
	Authorized        bool           `json:"authorized"`
	Ephemeral         bool           `json:"ephemeral"`
	KeyExpiryDisabled bool           `json:"keyExpiryDisabled"`
	Online            bool           `json:"online"`
	LoggedOut         bool           `json:"loggedOut"`
	Created           time.Time      `json:"created"`
	LastSeen          time.Time      `json:"lastSeen"`
	Advertised        []netip.Prefix `json:"advertised"`
	Enabled           []netip.Prefix `json:"enabled"`
	// Expires is when the node key expires, unless KeyExpiryDisabled; 180 days after Created if
	// zero, Tailscale's default (tailscale.com/kb/1028/key-expiry).
	Expires time.Time `json:"expires"`
	// External marks a device of another tailnet, shared into this one
	// (tailscale.com/kb/1084/sharing).
	External bool `json:"external"`
	// User is the person whose device it is; empty if it has tags.
	User string `json:"user"`
	// KeyID is the auth key that it joined with, while the server knows.
	KeyID string `json:"keyId"`
	// LockError is Tailnet Lock's objection to the device; empty if nothing (api.md,
	// "tailnetLockError").
	LockError string `json:"lockError"`
}

type device struct {
	Device
	// serial is the order of registration.
	serial int
	// joinedWith is the key as it was then.
	joinedWith *key
	// connected is the begin of the present session.
	connected time.Time
	// hung and unhealthy are what SetHung and the probes say.
	hung, unhealthy bool
	neighbour       bool
}

// ErrNoDevice reports a missing device.
var ErrNoDevice = errors.New("no such device")

// RegisterError is a refused registration. Its text is tailscaled's report after "backend error: ".
type RegisterError struct {
	Message string
}

// Error returns the message.
func (e *RegisterError) Error() string { return e.Message }

// Register acts like `tailscale up --auth-key` on a machine without state: a new device, online,
// with a new address. Registering again makes another device of the same hostname. A refusal is a
// RegisterError.
func (s *Server) Register(authKey, hostname string) (Device, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.keys, func(k *key) bool { return k.secret == authKey && !k.destroyed })
	if i < 0 {
		return Device{}, s.unknownKey(authKey)
	}
	k := s.keys[i]
	if refusal := s.refuseRegistration(k); refusal != nil {
		return Device{}, refusal
	}
	k.Used = true
	created := s.newDevice(k, hostname)
	s.devices = append(s.devices, created)
	return created.clone(), nil
}

// unknownKey answers a key unknown to the server (github.com/tailscale/tailscale issues 6215 and
// 17047; Headscale's hscontrol/db/preauth_keys.go, reported by tailscaled with the HTTP status).
func (s *Server) unknownKey(authKey string) *RegisterError {
	switch {
	case s.opts.Mode == Headscale028:
		// Not recorded. handleRegisterWithAuthKey in hscontrol/auth.go of v0.28.0 knows gorm's
		// error only, so that the database's own comes through; 0.29 wraps the one in the other.
		return &RegisterError{"handling register with auth key: auth-key not found"}
	case s.speaksV1():
		return &RegisterError{"invalid pre auth key"}
	case s.isHeadscale():
		return &RegisterError{"register request: http 401: auth-key not found"}
	case strings.HasPrefix(authKey, "tskey-auth-"):
		return &RegisterError{"invalid key: API key does not exist"}
	default:
		return &RegisterError{"invalid key: unable to validate API key"}
	}
}

// refuseRegistration answers a key of no use any more (github.com/tailscale/tailscale issue 9715;
// Headscale's PreAuthKey.Validate).
func (s *Server) refuseRegistration(k *key) *RegisterError {
	now := s.opts.Clock()
	if k.usable(now) {
		return nil
	}
	if !s.isHeadscale() {
		if k.Used && !k.Reusable {
			return &RegisterError{fmt.Sprintf("invalid key: API key %s not valid", k.ID)}
		}
		return &RegisterError{"invalid key: API key does not exist"}
	}
	switch {
	case s.speaksV1() && !now.Before(k.Expires):
		return &RegisterError{"authkey expired"}
	case s.speaksV1():
		return &RegisterError{"authkey already used"}
	case !k.Revoked.IsZero():
		return &RegisterError{"register request: http 401: authkey revoked"}
	case !now.Before(k.Expires):
		return &RegisterError{"register request: http 401: authkey expired"}
	default:
		return &RegisterError{"register request: http 401: authkey already used"}
	}
}

func (s *Server) newDevice(k *key, hostname string) *device {
	d := s.blankDevice(hostname)
	d.Tags, d.Authorized, d.Ephemeral = slices.Clone(k.Tags), k.Preauthorized, k.Ephemeral
	// Tagged devices have no key expiry at either server.
	d.KeyExpiryDisabled = len(k.Tags) > 0
	joinedWith := *k
	d.KeyID, d.joinedWith = k.ID, &joinedWith
	if k.owner != nil && len(k.Tags) == 0 {
		d.User = k.owner.name
	}
	return d
}

// Add makes a device that did not join by a key: a person's, a router's, a shared one. It is online
// and has addresses, unless the change says otherwise. Fields the API does not show for external
// devices are empty.
func (s *Server) Add(hostname string, change func(*Device)) Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(hostname, change).clone()
}

func (s *Server) add(hostname string, change func(*Device)) *device {
	s.settle()
	d := s.blankDevice(hostname)
	d.Authorized = true
	change(&d.Device)
	s.devices = append(s.devices, d)
	s.reelect(d.Advertised...)
	return d
}

// Change changes a device as an administrator, its own root (the hostname) or the server itself
// does.
func (s *Server) Change(id string, change func(*Device)) error {
	return s.change(id, func(d *device) error {
		change(&d.Device)
		return nil
	})
}

func (s *Server) blankDevice(hostname string) *device {
	s.serial++
	n := s.serial
	now := s.opts.Clock()
	d := &device{serial: n, connected: now, Device: Device{
		ID: itoa(n), LegacyID: itoa(n), Hostname: hostname, Name: s.freeName(hostname),
		IPv4:   netip.AddrFrom4([4]byte{100, 64 + byte(n>>16)&0x3f, byte(n >> 8), byte(n)}),
		IPv6:   netip.AddrFrom16([16]byte{0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}),
		Online: true, Created: now, LastSeen: now,
	}}
	if !s.isHeadscale() {
		d.ID = "n" + randomText(8) + "CNTRL"
		d.LegacyID = fmt.Sprint(7_000_000_000_000_000 + n)
	}
	return d
}

// freeName is the hostname with the first free suffix: host, host-1, host-2. Headscale 0.28 takes a
// random one instead (EnsureUniqueGivenName in hscontrol/db/node.go of v0.28.0).
func (s *Server) freeName(hostname string) string {
	suffix := ""
	if !s.isHeadscale() {
		suffix = "." + s.opts.Domain
	}
	label, _, _ := strings.Cut(strings.ToLower(hostname), ".")
	for n := 0; ; n++ {
		name := label + suffix
		switch {
		case n > 0 && s.opts.Mode == Headscale028:
			name = label + "-" + strings.ToLower(randomText(8))
		case n > 0:
			name = label + "-" + itoa(n) + suffix
		}
		if !slices.ContainsFunc(s.devices, func(d *device) bool { return d.Name == name }) {
			return name
		}
	}
}

// SetOnline connects a device to the control server or cuts it off. The server knows at once;
// Headscale waits ten seconds for a device that is cut off to come back (hscontrol/poll.go).
func (s *Server) SetOnline(id string, online bool) error {
	return s.change(id, func(d *device) error {
		if online && d.LoggedOut {
			return errors.New("the device is logged out: it has to register again")
		}
		if d.Online != online {
			d.connected, d.unhealthy = s.opts.Clock(), false
		}
		d.Online, d.LastSeen = online, s.opts.Clock()
		return nil
	})
}

// Logout acts like `tailscale logout`: the device stays listed until it is deleted, unless it is
// ephemeral.
func (s *Server) Logout(id string) error {
	return s.change(id, func(d *device) error {
		d.Online, d.LoggedOut, d.LastSeen = false, true, s.opts.Clock()
		if d.Ephemeral {
			s.remove(d)
		}
		return nil
	})
}

// Advertise replaces a device's advertised routes, as `tailscale set --advertise-routes` does.
// Those approved by the policy for the device's tags become enabled, and stay so.
func (s *Server) Advertise(id string, prefixes ...netip.Prefix) error {
	return s.change(id, func(d *device) error {
		advertised := make([]netip.Prefix, 0, len(prefixes))
		for _, prefix := range prefixes {
			if !prefix.IsValid() || prefix != prefix.Masked() {
				return fmt.Errorf("%s has non-address bits set, or is no prefix", prefix)
			}
			advertised = append(advertised, prefix)
		}
		d.Advertised = advertised
		for _, prefix := range advertised {
			if s.autoApproved(d, prefix) && !slices.Contains(d.Enabled, prefix) {
				d.Enabled = append(d.Enabled, prefix)
			}
		}
		return nil
	})
}

func (s *Server) autoApproved(d *device, prefix netip.Prefix) bool {
	for approved, tags := range s.approvers {
		if approved.Bits() <= prefix.Bits() && approved.Contains(prefix.Addr()) &&
			slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(d.Tags, tag) }) {
			return true
		}
	}
	return false
}

// Devices returns all devices but the neighbours, oldest first.
func (s *Server) Devices() []Device {
	return s.devicesThat(func(d *device) bool { return !d.neighbour })
}

func (s *Server) devicesThat(match func(*device) bool) []Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Device, 0, len(s.devices))
	for _, d := range s.devices {
		if match(d) {
			out = append(out, d.clone())
		}
	}
	return out
}

// Leftovers are resources a deleted cluster must not leave behind.
type Leftovers struct {
	Devices []Device `json:"devices"`
	// Keys are those still good for joining.
	Keys []Key `json:"keys"`
}

// Leftovers returns all devices but the neighbours, and all keys neither used, nor revoked, nor
// expired.
func (s *Server) Leftovers() Leftovers {
	out := Leftovers{Devices: s.Devices()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if !k.Used && k.usable(s.opts.Clock()) {
			out.Keys = append(out.Keys, k.Key)
		}
	}
	return out
}

// change applies a change to a device under the lock.
func (s *Server) change(id string, apply func(*device) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.deviceOf(id)
	if d == nil {
		return fmt.Errorf("%w: %s", ErrNoDevice, id)
	}
	s.settle()
	before := d.Advertised
	err := apply(d)
	s.reelect(slices.Concat(before, d.Advertised)...)
	return err
}

func (s *Server) deviceOf(id string) *device {
	i := slices.IndexFunc(s.devices, func(d *device) bool { return d.ID == id || d.LegacyID == id })
	if i < 0 {
		return nil
	}
	return s.devices[i]
}

func (s *Server) remove(gone *device) {
	s.devices = slices.DeleteFunc(s.devices, func(d *device) bool { return d == gone })
}

func (d *device) clone() Device {
	out := d.Device
	out.Tags, out.Advertised, out.Enabled = slices.Clone(d.Tags), slices.Clone(d.Advertised), slices.Clone(d.Enabled)
	return out
}
