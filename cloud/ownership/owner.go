// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ownership decides which resources belong to which object. A resource in OCI or in a
// tailnet belongs to an object only if data at OCI or the coordination server says so, or if this
// provider's own status recorded it. Data writable by users (annotations, providerID, names, host
// names) proves nothing.
//
// Only this package makes a Proof, and the verbs of cloud/oci and cloud/tailnet require one for
// changing or deleting anything.
package ownership

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// maxTagValue is the length of a freeform tag's value in OCI (OCI documentation, "Tagging
// Overview", limits on tags).
const maxTagValue = 256

// Owner is an object with resources. All three of identity, namespace and name count: users can
// write the identity into an annotation, but cannot make an object in another's namespace.
type Owner struct {
	uidTag, nameTag           string
	identity, namespace, name string
	// holder is the owner's management cluster.
	holder Holder
}

// Cluster is an OCIMeshCluster as an owner. identity is the first UID it was seen with.
func Cluster(identity, namespace, name string) Owner {
	return Owner{uidTag: infrav1.ClusterUIDTag, nameTag: infrav1.ClusterNameTag, identity: identity, namespace: namespace, name: name}
}

// Machine is an OCIMeshMachine as an owner. identity is the first UID it was seen with.
func Machine(identity, namespace, name string) Owner {
	return Owner{uidTag: infrav1.MachineUIDTag, nameTag: infrav1.MachineNameTag, identity: identity, namespace: namespace, name: name}
}

// MachinePool is an OCIMeshMachinePool as an owner. identity is the first UID it was seen with.
func MachinePool(identity, namespace, name string) Owner {
	return Owner{uidTag: infrav1.MachinePoolUIDTag, nameTag: infrav1.MachinePoolNameTag, identity: identity, namespace: namespace, name: name}
}

// Identity is the first UID the object was seen with.
func (o Owner) Identity() string { return o.identity }

// Namespace is the object's.
func (o Owner) Namespace() string { return o.namespace }

// Name is the object's.
func (o Owner) Name() string { return o.name }

// String is namespace/name, for messages.
func (o Owner) String() string { return o.namespace + "/" + o.name }

// Tags are the freeform tags marking the owner's resources in OCI.
func (o Owner) Tags() map[string]string {
	return map[string]string{o.uidTag: o.identity, o.nameTag: nameValue(o.namespace, o.name)}
}

// TagsWith are the tags of both owners: a machine's instance is also its cluster's.
func (o Owner) TagsWith(other Owner) map[string]string {
	tags := other.Tags()
	maps.Copy(tags, o.Tags())
	return tags
}

// Mark is kind, identity, namespace and name as tags hold them, to look an owner up by.
type Mark struct{ kind, identity, name string }

// Mark is what the owner's tags say.
func (o Owner) Mark() Mark { return Mark{o.uidTag, o.identity, nameValue(o.namespace, o.name)} }

// MachineIn is the machine named by an instance's tags.
func MachineIn(tags map[string]string) Mark {
	return Mark{infrav1.MachineUIDTag, tags[infrav1.MachineUIDTag], tags[infrav1.MachineNameTag]}
}

// PoolIn is the pool that an instance is tagged with.
func PoolIn(tags map[string]string) Mark {
	return Mark{infrav1.MachinePoolUIDTag, tags[infrav1.MachinePoolUIDTag], tags[infrav1.MachinePoolNameTag]}
}

// IsNeighbours tells whether tags name an owner of the kind in another namespace.
func (o Owner) IsNeighbours(tags map[string]string) bool {
	namespace, _, named := strings.Cut(tags[o.nameTag], "/")
	return named && namespace != o.namespace
}

// Digest stands for kind, identity, namespace and name where there is no room for them: 40
// hexadecimal digits. It is infeasible to make another object with the same digest.
func (o Owner) Digest() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{o.uidTag, o.identity, o.namespace, o.name}, "\n")))
	return hex.EncodeToString(sum[:20])
}

// nameValue is namespace/name, shortened to the length of a tag without two names becoming one.
func nameValue(namespace, name string) string {
	full := namespace + "/" + name
	if len(full) <= maxTagValue {
		return full
	}
	sum := sha256.Sum256([]byte(full))
	digest := "~" + hex.EncodeToString(sum[:20])
	return full[:maxTagValue-len(digest)] + digest
}
