// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package ownership

// Proof says that one thing is an object's own. The zero value proves nothing, and every verb
// refuses it.
type Proof struct{ id string }

// ID is the OCID, or the tailnet's identifier, of what is proven.
func (p Proof) ID() string { return p.id }

// IsZero tells whether nothing is proven.
func (p Proof) IsZero() bool { return p.id == "" }

// Part proves a thing that exists only as a part of a proven one, and was read from it: the boot
// volume of an instance, the default security list of a VCN.
func (p Proof) Part(id string) Proof {
	if p.IsZero() {
		return Proof{}
	}
	return Proof{id}
}

// Tagged proves what carries the owner's tags: identity, namespace and name. What another
// management cluster claims is not proven: see Judge.
func (o Owner) Tagged(id string, tags map[string]string) (Proof, bool) {
	if o.identity == "" || o.namespace == "" || o.name == "" || id == "" {
		return Proof{}, false
	}
	for key, value := range o.Tags() {
		if tags[key] != value {
			return Proof{}, false
		}
	}
	if !o.holds(tags) {
		return Proof{}, false
	}
	return Proof{id}, true
}

// Recorded proves what this provider wrote into an object's status: users may not write that. A
// test holds all callers to it.
func Recorded(id string) Proof { return Proof{id} }
