// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/cluster-api/util/conditions"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// Kind is the kind of object whose keys this package stores.
const Kind = "OCIMeshMachinePool"

// tailnetKey says which key instances to come join with, and makes another one once half of its
// life is over: an instance may be launched at any time, by OCI itself, and must then have enough
// of it left to join. It makes another one as well once the Tailnet's tags are others: no device
// that has the key's would be taken for an instance's. A pool without instances that wants none has
// no use for one.
func (r *Reconciler) tailnetKey(ctx context.Context, s *scope) error {
	if s.idle() {
		return nil
	}
	ring := r.keyring(s)
	key, err := ring.current(ctx, s.own.Status.Configuration)
	if err != nil {
		return err
	}
	if key.Expires.Sub(s.now) > ring.spec.Expiry/2 && key.hasTags(ring.spec.Tags) {
		s.key = key
		return nil
	}
	s.key, err = ring.renew(ctx)
	return err
}

// joinKey is a key and the tags that devices get by it. None are known of one that a release before
// their record has made, so that an upgrade makes no other.
type joinKey struct {
	tailnetnode.Key
	tags []string
}

func (k joinKey) hasTags(wanted []string) bool {
	return len(k.tags) == 0 || sets.New(k.tags...).Equal(sets.New(wanted...))
}

// keyring are the pool's keys.
type keyring struct {
	tailnetnode.Keyring
	owner   ownership.Owner
	tailnet *infrav1.Tailnet
	joins   *tailnet.Client
	spec    tailnet.KeySpec
}

func (r *Reconciler) keyring(s *scope) *keyring {
	ring := &keyring{
		Keyring: tailnetnode.Keyring{
			Store: tailnetnode.KeyStore{Client: r.Client, Namespace: r.KeyNamespace}, Of: tailnetnode.KeyOwnerOf(Kind, s.own, s.identity),
		},
		owner: s.owner, tailnet: s.tailnet, joins: s.joins,
		spec: tailnet.KeySpec{Reusable: true, Expiry: r.Options.withDefaults().KeyLife, Description: s.owner.KeyDescription()},
	}
	if s.tailnet != nil {
		ring.spec.Tags = s.tailnet.Spec.NodeTags
	}
	return ring
}

// current is the stored key, or that of the configuration, without its value: the Secret does not
// come along in a move, and after a move there and back it is still there with a key that the other
// management cluster has revoked.
func (k *keyring) current(ctx context.Context, configured expv1.InstanceConfigurationStatus) (joinKey, error) {
	err := k.Load(ctx)
	switch {
	case err != nil || k.ID == configured.KeyID:
		return joinKey{k.Key, configured.KeyTags}, err
	case configured.KeyID != "" && !k.Expires.After(configured.KeyExpires.Time):
		return joinKey{tailnetnode.Key{ID: configured.KeyID, Expires: configured.KeyExpires.Time}, configured.KeyTags}, nil
	}
	// It was made for a configuration that has yet to come, or nothing says so.
	known, usable, err := k.usable(ctx, k.ID)
	if err != nil || !usable {
		return joinKey{}, phases.In(infrav1.TailnetReadyCondition, err)
	}
	return joinKey{k.Key, known.Tags}, nil
}

// renew makes another key, in a tailnet that is ready.
func (k *keyring) renew(ctx context.Context) (joinKey, error) {
	if conditions.IsFalse(k.tailnet, infrav1.ReadyCondition) {
		return joinKey{}, phases.In(infrav1.TailnetReadyCondition, access.NewProblem(infrav1.TailnetNotReadyReason,
			"Tailnet %s is not ready: %s", k.tailnet.Name, access.NotReady(k.tailnet)))
	}
	err := k.Mint(ctx, k.joins, k.spec)
	return joinKey{k.Key, k.spec.Tags}, phases.In(infrav1.TailnetReadyCondition, err)
}

// revokeBut revokes the pool's keys but one.
func (k *keyring) revokeBut(ctx context.Context, id string) error {
	return tailnetnode.RevokeKeys(ctx, k.joins, k.owner, time.Now(), id)
}
