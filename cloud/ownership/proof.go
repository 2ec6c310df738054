// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package ownership

// Proof proves one resource to be an object's own. The zero value proves nothing, and every verb
// refuses it.
type Proof struct{ id string }

// ID is the OCID, or the tailnet's identifier, of the proven resource.
func (p Proof) ID() string { return p.id }

// IsZero tells whether nothing is proven.
func (p Proof) IsZero() bool { return p.id == "" }

// Part proves a resource existing only as a part of a proven one, and read from it: the boot volume
// of an instance, the default security list of a VCN.
func (p Proof) Part(id string) Proof {
	if p.IsZero() {
		return Proof{}
	}
	return Proof{id}
}

// Tagged proves a resource with the owner's tags: identity, namespace and name. A resource claimed
// by another management cluster is not proven: see Judge.
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

// Recorded proves a resource recorded in an object's status: users may not write there. A test
// holds all callers to it.
func Recorded(id string) Proof { return Proof{id} }
