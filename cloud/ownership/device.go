// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package ownership

import (
	"slices"
	"time"
)

const (
	// clockSkew is how far the clocks of OCI and of a coordination server may be apart.
	clockSkew = 5 * time.Minute
	// joinSlack is how long after the join timeout a device may still be its machine's: a key lives
	// an hour, and a machine tries for as long.
	joinSlack = time.Hour
)

// KeyDescription marks a key as the owner's: 46 letters, digits and spaces; Tailscale allows 50
// (api.md, "Create auth key"). Keys have no tags of their own.
func (o Owner) KeyDescription() string { return "capom " + o.Digest() }

// Described proves a key with the owner's description. Describing keys takes the tailnet's
// credentials, and no other object's description is the same.
func (o Owner) Described(id, description string) (Proof, bool) {
	if o.identity == "" || o.namespace == "" || o.name == "" || id == "" || description != o.KeyDescription() {
		return Proof{}, false
	}
	return Proof{id}, true
}

// Device has a coordination server's facts about a device, as far as they identify its owner. Root
// on a device chooses its hostname, and nothing else of this.
type Device struct {
	ID string
	// Name is the device's within the tailnet, for messages.
	Name     string
	Hostname string
	Tags     []string
	// KeyID is the key the device joined with; empty if the server does not tell.
	KeyID   string
	Created time.Time
	// Reachable is set if it has an IPv4 address.
	Reachable bool
}

// JoinKey is a machine's key for joining. The zero value stands for no known key.
type JoinKey struct {
	ID string
	// Created and Expires are times of the coordination server's clock, as devices' are.
	Created, Expires time.Time
}

// RecordedDevice is a device as an object's status has it. The zero value stands for none.
type RecordedDevice struct {
	ID string
	// Created is when the server made it, in whole seconds; zero in a status of before this was
	// recorded.
	Created time.Time
}

// Is tells whether a device is the recorded one, as far as status says. The identifier alone does
// not: Headscale counts nodes in its database (id in hscontrol/db/schema.sql), so that one restored
// from a backup, or set up anew, gives the numbers out again. The time of creation stays with a
// node through logins, new keys, names, tags and addresses (nodeUpdateColumns in
// hscontrol/state/state.go of v0.29.2 leaves it out, persistNodeToDB of v0.28.0 writes back what
// was read) and through upgrades (the copy of nodes_old in hscontrol/db/db.go); SQLite keeps its
// nanoseconds, PostgreSQL cuts them to microseconds. Tailscale's is "the date on which the device
// was added to the tailnet" (publicapi/device.md), in whole seconds.
func (r RecordedDevice) Is(id string, created time.Time) bool {
	return r.ID != "" && r.ID == id && (r.Created.IsZero() || r.Created.Equal(created.Truncate(time.Second)))
}

// DeviceClaim has an object's knowledge about its future device.
type DeviceClaim struct {
	// Recorded is the device in the object's status; once it is set, no other is accepted.
	Recorded RecordedDevice
	// Hostname and Tags are what the device has by the object's instance and by its key.
	Hostname string
	Tags     []string
	// Key is the object's single-use key, as its status records it.
	Key JoinKey
	// Launched is the time of the launch by OCI's clock, zero if unknown. It is the bound where no
	// key is known: after a move or a restore, and for keys shared by many machines.
	Launched time.Time
	// JoinTimeout is how long after its launch an instance should have joined.
	JoinTimeout time.Duration
}

// DeviceVerdict identifies an object's device.
type DeviceVerdict struct {
	// Proof is of the object's device; zero if none is proven.
	Proof Proof
	// IfKeyUsed is set if the proof holds only once the claim's key is unusable: a device that came
	// by another way exists already while the object's own has yet to join.
	IfKeyUsed bool
	// Rivals are the names of competing devices: at most one can be the object's, and there is no
	// telling them apart.
	Rivals []string
	// Lost is set if the recorded device is gone. Strangers may then be the same machine,
	// registered again.
	Lost bool
	// Successor is the name of another device, to which the server has given the identifier since.
	Successor string
	// Strangers are the names of tagged, unproven devices with the hostname of the object's.
	Strangers []string
}

// Judge finds the object's device among the devices.
func (c DeviceClaim) Judge(devices []Device) DeviceVerdict {
	var verdict DeviceVerdict
	switch {
	case c.Recorded.ID != "":
		verdict = c.recorded(devices)
	default:
		verdict = c.unrecorded(devices)
	}
	for _, device := range devices {
		if device.Hostname == c.Hostname && len(device.Tags) > 0 && device.ID != verdict.Proof.id && !slices.Contains(verdict.Rivals, device.Name) {
			verdict.Strangers = append(verdict.Strangers, device.Name)
		}
	}
	return verdict
}

func (c DeviceClaim) recorded(devices []Device) DeviceVerdict {
	i := slices.IndexFunc(devices, func(d Device) bool { return d.ID == c.Recorded.ID })
	switch {
	case i < 0:
		return DeviceVerdict{Lost: true}
	case !c.joinedAs(devices[i]):
		return DeviceVerdict{Lost: true, Successor: devices[i].Name}
	}
	return DeviceVerdict{Proof: Proof{c.Recorded.ID}}
}

// joinedAs tells whether a device with the recorded identifier is the one that was recorded. Where
// status does not say when that was made, one made after the object's time to join is not: a
// restored server counts on, so that whoever got the number later is younger. Where the launch is
// unknown too, as when the instance is gone, the name decides: a part of it is of the object's UID,
// so that a device has it by the object's instance or on purpose.
func (c DeviceClaim) joinedAs(device Device) bool {
	switch {
	case !c.Recorded.Is(device.ID, device.Created):
		return false
	case !c.Recorded.Created.IsZero():
		return true
	case !c.Launched.IsZero():
		return !device.Created.After(c.lastJoin())
	}
	return device.Hostname == c.Hostname
}

// lastJoin is until when the object's device may be made, by its launch.
func (c DeviceClaim) lastJoin() time.Time { return c.Launched.Add(c.JoinTimeout + joinSlack) }

func (c DeviceClaim) unrecorded(devices []Device) DeviceVerdict {
	if c.Key.ID != "" {
		for _, device := range devices {
			// Its hostname does not matter: the server says how it joined.
			if device.KeyID == c.Key.ID {
				return DeviceVerdict{Proof: Proof{device.ID}}
			}
		}
	}
	var candidates []Device
	for _, device := range devices {
		if c.fits(device) {
			candidates = append(candidates, device)
		}
	}
	switch len(candidates) {
	case 0:
		return DeviceVerdict{}
	case 1:
		return DeviceVerdict{Proof: Proof{candidates[0].ID}, IfKeyUsed: c.Key.ID != ""}
	}
	verdict := DeviceVerdict{}
	for _, candidate := range candidates {
		verdict.Rivals = append(verdict.Rivals, candidate.Name)
	}
	return verdict
}

// fits tells whether the device can be the object's, for servers that do not name the key of a
// join. An earlier node with the object's hostname is too old; a node with other tags joined by
// other keys.
func (c DeviceClaim) fits(device Device) bool {
	if device.ID == "" || c.Hostname == "" || device.Hostname != c.Hostname || !device.Reachable {
		return false
	}
	if len(c.Tags) == 0 || !sameSet(device.Tags, c.Tags) {
		return false
	}
	if c.Key.ID != "" {
		return device.KeyID == "" && !device.Created.Before(c.Key.Created) && !device.Created.After(c.Key.Expires)
	}
	return !c.Launched.IsZero() && !device.Created.Before(c.Launched.Add(-clockSkew)) && !device.Created.After(c.lastJoin())
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
