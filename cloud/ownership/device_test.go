// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package ownership

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// worker is a device as the machine worker-1's own is, as of the minute after noon.
func worker(id string, minute int, change ...func(*Device)) Device {
	device := Device{
		ID: id, Name: "name-" + id, Hostname: "worker-1", Tags: []string{"tag:node", "tag:blue"}, Reachable: true,
		Created: noon.Add(time.Duration(minute) * time.Minute),
	}
	for _, f := range change {
		f(&device)
	}
	return device
}

func tagged(tags ...string) func(*Device) { return func(d *Device) { d.Tags = tags } }
func named(name string) func(*Device)     { return func(d *Device) { d.Hostname = name } }
func by(key string) func(*Device)         { return func(d *Device) { d.KeyID = key } }
func unreachable(d *Device)               { d.Reachable = false }

func later(by time.Duration) func(*Device) { return func(d *Device) { d.Created = d.Created.Add(by) } }

// keyed is the claim of a machine with a key of its own.
func keyed() DeviceClaim {
	return DeviceClaim{
		Hostname: "worker-1", Tags: []string{"tag:blue", "tag:node"}, Launched: noon, JoinTimeout: 20 * time.Minute,
		Key: JoinKey{ID: "k1", Created: noon, Expires: noon.Add(time.Hour)},
	}
}

// deviceWorld is devices, and what is to be said of them.
type deviceWorld struct {
	claim   DeviceClaim
	devices []Device
	want    DeviceVerdict
}

func (w deviceWorld) check(t *testing.T) {
	NewWithT(t).Expect(w.claim.Judge(w.devices)).To(Equal(w.want))
}

func TestWhichRecordedDeviceIsAMachinesOwn(t *testing.T) {
	recorded := keyed()
	recorded.Recorded = RecordedDevice{ID: "12", Created: noon.Add(time.Minute)}
	// Earlier versions recorded no creation. Of an instance that is gone no launch is known.
	older, olderAndGone := recorded, recorded
	older.Recorded.Created = time.Time{}
	olderAndGone.Recorded.Created, olderAndGone.Launched = time.Time{}, time.Time{}

	for name, world := range map[string]deviceWorld{
		"the recorded one, though a younger one has its name": {
			recorded, []Device{worker("12", 1), worker("young", 9)}, DeviceVerdict{Proof: Proof{"12"}, Strangers: []string{"name-young"}},
		},
		"the recorded one, whatever it is called now": {
			recorded, []Device{worker("12", 1, named("x"), tagged())}, DeviceVerdict{Proof: Proof{"12"}},
		},
		"the recorded one, whose time the server tells more exactly than status keeps it": {
			recorded, []Device{worker("12", 1, later(999*time.Millisecond))}, DeviceVerdict{Proof: Proof{"12"}},
		},
		"the recorded one, by whatever zone the server tells its time": {
			recorded, []Device{worker("12", 1, func(d *Device) { d.Created = d.Created.In(time.FixedZone("", 3600)) })},
			DeviceVerdict{Proof: Proof{"12"}},
		},
		"no laptop that got the recorded one's number from a restored server": {
			recorded, []Device{worker("12", 2, named("laptop"), tagged())}, DeviceVerdict{Lost: true, Successor: "name-12"},
		},
		"no device of the name that got the recorded one's number": {
			recorded, []Device{worker("12", 2)}, DeviceVerdict{Lost: true, Successor: "name-12", Strangers: []string{"name-12"}},
		},
		"none with the number that was made a second later": {
			recorded, []Device{worker("12", 1, named("x"), later(time.Second))}, DeviceVerdict{Lost: true, Successor: "name-12"},
		},
		"none with the number that is older": {
			recorded, []Device{worker("12", 1, named("x"), later(-time.Second))}, DeviceVerdict{Lost: true, Successor: "name-12"},
		},
		"none with the number of which no time is told": {
			recorded, []Device{worker("12", 1, named("x"), func(d *Device) { d.Created = time.Time{} })},
			DeviceVerdict{Lost: true, Successor: "name-12"},
		},
		"before creations were recorded: the one with the number, made within the time to join": {
			older, []Device{worker("12", 80, named("x"))}, DeviceVerdict{Proof: Proof{"12"}},
		},
		"before creations were recorded: none with the number that was made after that time": {
			older, []Device{worker("12", 81, named("x"))}, DeviceVerdict{Lost: true, Successor: "name-12"},
		},
		"before creations were recorded, the launch unknown: the one with number and name, whenever made": {
			olderAndGone, []Device{worker("12", 9999, tagged("tag:x"))}, DeviceVerdict{Proof: Proof{"12"}},
		},
		"before creations were recorded, the launch unknown: none with the number and another name": {
			olderAndGone, []Device{worker("12", 1, named("x"))}, DeviceVerdict{Lost: true, Successor: "name-12"},
		},
		"none, once the recorded one is gone": {
			recorded, []Device{worker("young", 9)}, DeviceVerdict{Lost: true, Strangers: []string{"name-young"}},
		},
	} {
		t.Run(name, world.check)
	}
}

func TestWhichDeviceIsAMachinesOwn(t *testing.T) {
	keyed := keyed()
	moved := keyed
	moved.Key = JoinKey{}
	forgotten := moved
	forgotten.Launched = time.Time{}

	for name, world := range map[string]deviceWorld{
		"the one that joined with the key, among many": {
			keyed, []Device{worker("a", 1, by("k2")), worker("b", 2, by("k1"), named("x")), worker("c", 3)},
			DeviceVerdict{Proof: Proof{"b"}, Strangers: []string{"name-a", "name-c"}},
		},
		"none that joined with another key": {
			keyed, []Device{worker("a", 1, by("k2"))}, DeviceVerdict{Strangers: []string{"name-a"}},
		},
		"the only one that fits, if the key is used": {
			keyed, []Device{worker("a", 1)}, DeviceVerdict{Proof: Proof{"a"}, IfKeyUsed: true},
		},
		"the moment of the key's creation counts":    {keyed, []Device{worker("a", 0)}, DeviceVerdict{Proof: Proof{"a"}, IfKeyUsed: true}},
		"none that is older than the key":            {keyed, []Device{worker("a", -1)}, DeviceVerdict{Strangers: []string{"name-a"}}},
		"none that is younger than the key's end":    {keyed, []Device{worker("a", 61)}, DeviceVerdict{Strangers: []string{"name-a"}}},
		"none without the tags":                      {keyed, []Device{worker("a", 1, tagged("tag:node"))}, DeviceVerdict{Strangers: []string{"name-a"}}},
		"none with a tag more":                       {keyed, []Device{worker("a", 1, tagged("tag:node", "tag:blue", "tag:x"))}, DeviceVerdict{Strangers: []string{"name-a"}}},
		"no person's that has the name":              {keyed, []Device{worker("a", 1, tagged())}, DeviceVerdict{}},
		"none without an address":                    {keyed, []Device{worker("a", 1, unreachable)}, DeviceVerdict{Strangers: []string{"name-a"}}},
		"none of another name":                       {keyed, []Device{worker("a", 1, named("worker-2"))}, DeviceVerdict{}},
		"neither of two that fit":                    {keyed, []Device{worker("a", 1), worker("b", 2)}, DeviceVerdict{Rivals: []string{"name-a", "name-b"}}},
		"after a move: the one of the launch's time": {moved, []Device{worker("a", -4)}, DeviceVerdict{Proof: Proof{"a"}}},
		"after a move: none from before the launch":  {moved, []Device{worker("a", -6)}, DeviceVerdict{Strangers: []string{"name-a"}}},
		"after a move: none from long after it":      {moved, []Device{worker("a", 81)}, DeviceVerdict{Strangers: []string{"name-a"}}},
		"after a move: neither of two that fit":      {moved, []Device{worker("a", 1), worker("b", 2)}, DeviceVerdict{Rivals: []string{"name-a", "name-b"}}},
		"none if neither key nor launch is known":    {forgotten, []Device{worker("a", 1)}, DeviceVerdict{Strangers: []string{"name-a"}}},
		"none if there is none":                      {keyed, nil, DeviceVerdict{}},
		"none for a claim that knows nothing":        {DeviceClaim{}, []Device{{}, {ID: "a"}}, DeviceVerdict{}},
	} {
		t.Run(name, world.check)
	}
}

func TestKeysAreProvenByADescriptionThatNobodyElseHas(t *testing.T) {
	g := NewWithT(t)
	victim := Machine("uid-1", "team-a", "worker-1")
	g.Expect(len(victim.KeyDescription())).To(BeNumerically("<=", 50), "Tailscale's limit")
	proof, proven := victim.Described("k1", victim.KeyDescription())
	g.Expect(proven).To(BeTrue())
	g.Expect(proof.ID()).To(Equal("k1"))

	for name, world := range map[string]struct {
		owner           Owner
		id, description string
	}{
		"a forged identity":          {Machine("uid-1", "team-b", "worker-1"), "k1", victim.KeyDescription()},
		"another name":               {Machine("uid-1", "team-a", "worker-2"), "k1", victim.KeyDescription()},
		"the identity alone":         {victim, "k1", "capom uid-1"},
		"no description":             {victim, "k1", ""},
		"no key":                     {victim, "", victim.KeyDescription()},
		"an owner without identity":  {Machine("", "team-a", "worker-1"), "k1", Machine("", "team-a", "worker-1").KeyDescription()},
		"the pool of the same names": {MachinePool("uid-1", "team-a", "worker-1"), "k1", victim.KeyDescription()},
	} {
		t.Run(name, func(t *testing.T) {
			_, proven := world.owner.Described(world.id, world.description)
			NewWithT(t).Expect(proven).To(BeFalse())
		})
	}
}

func TestAVIPIsHeldByIdentityNamespaceAndName(t *testing.T) {
	holder := Cluster("uid-1", "team-a", "blue")
	list := []infrav1.VIPAllocation{
		{Address: "10.250.0.1", UID: "uid-1", Namespace: "team-a", Name: "blue"},
		{Address: "10.250.0.2", UID: "uid-2", Namespace: "team-b", Name: "green"},
	}
	for name, world := range map[string]struct {
		owner   Owner
		address string
		held    bool
	}{
		"its own":                          {holder, "10.250.0.1", true},
		"another's":                        {holder, "10.250.0.2", false},
		"one that nobody holds":            {holder, "10.250.0.3", false},
		"a forged identity":                {Cluster("uid-1", "team-b", "blue"), "10.250.0.1", false},
		"a forged identity, same space":    {Cluster("uid-1", "team-a", "green"), "10.250.0.1", false},
		"the same name, recreated":         {Cluster("uid-3", "team-a", "blue"), "10.250.0.1", false},
		"a machine of the same identity":   {Machine("uid-1", "team-a", "blue"), "10.250.0.1", false},
		"a name instead of an address":     {holder, "api.example.com", false},
		"an empty address":                 {holder, "", false},
		"an owner that has no identity":    {Cluster("", "team-a", "blue"), "10.250.0.1", false},
		"a network instead of an address":  {holder, "10.250.0.1/32", false},
		"an address with something before": {holder, " 10.250.0.1", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			vip, held := world.owner.HeldVIP(world.address, list)
			g.Expect(held).To(Equal(world.held))
			g.Expect(vip.Route().IsValid()).To(Equal(world.held))
		})
	}
}

func TestAVIPIsTakenOnlyFromADeviceThatHasExactlyIt(t *testing.T) {
	g := NewWithT(t)
	vip, _ := Cluster("u", "n", "c").HeldVIP("10.250.0.1", []infrav1.VIPAllocation{{Address: "10.250.0.1", UID: "u", Namespace: "n", Name: "c"}})
	enabled := func(texts string) (out []netip.Prefix) {
		for text := range strings.FieldsSeq(texts) {
			out = append(out, netip.MustParsePrefix(text))
		}
		return out
	}
	proof, proven := vip.Usurped("d1", enabled("192.168.1.0/24 10.250.0.1/32"))
	g.Expect(proven).To(BeTrue())
	g.Expect(proof.ID()).To(Equal("d1"))
	for _, others := range []string{"", "10.250.0.0/24", "0.0.0.0/0 ::/0", "10.250.0.2/32"} {
		_, proven = vip.Usurped("d1", enabled(others))
		g.Expect(proven).To(BeFalse(), others)
	}
	_, proven = vip.Usurped("", enabled("10.250.0.1/32"))
	g.Expect(proven).To(BeFalse())
	_, proven = VIP{}.Usurped("d1", enabled("10.250.0.1/32"))
	g.Expect(proven).To(BeFalse())
}
