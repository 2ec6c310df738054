// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode_test

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// revoker answers each revocation alike.
type revoker struct {
	answer  error
	revoked []string
}

func (r *revoker) KeysSince(context.Context, string, time.Time) ([]tailnet.Key, error) {
	return nil, nil
}

func (r *revoker) RevokeKey(_ context.Context, proof ownership.Proof) error {
	r.revoked = append(r.revoked, proof.ID())
	return r.answer
}

func TestAKeyIsDroppedWithItsSecret(t *testing.T) {
	recorded := ownership.Recorded("k1")
	for name, test := range map[string]struct {
		recorded ownership.Proof
		used     bool
		answer   error
		revoked  []string
		stays    bool
	}{
		"never used":        {recorded: recorded, revoked: []string{"k1"}},
		"used":              {recorded: recorded, used: true},
		"never recorded":    {},
		"gone already":      {recorded: recorded, answer: &cloud.Error{Kind: cloud.NotFoundOrUnauthorized}, revoked: []string{"k1"}},
		"not to be revoked": {recorded: recorded, answer: errors.New("away"), revoked: []string{"k1"}, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			ring := tailnetnode.Keyring{Store: newStore(t), Of: victim}
			g.Expect(ring.Store.Write(t.Context(), victim, key)).To(Succeed())
			g.Expect(ring.Load(t.Context())).To(Succeed())
			g.Expect(ring.Key).To(Equal(key))
			g.Expect(ring.Exists).To(BeTrue())

			c := &revoker{answer: test.answer}
			err := ring.Drop(t.Context(), c, test.recorded, test.used)
			g.Expect(err != nil).To(Equal(test.stays), "%v", err)
			g.Expect(c.revoked).To(Equal(test.revoked))
			g.Expect(ring.Load(t.Context())).To(Succeed())
			g.Expect(ring.Exists).To(Equal(test.stays), "what is not revoked is found by its Secret")
		})
	}
}
