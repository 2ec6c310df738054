// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

func TestRefusalsAreToldByAccount(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	id := func(digit string) string {
		part := strings.Repeat(digit, 32)
		return " (request ID " + part + "/" + part + "/" + part + ")"
	}
	refused := func(account, shape, message string, kind cloud.Kind, minutes int) placement.Rejection {
		return placement.Rejection{
			Place: placement.Place{Account: account, AvailabilityDomain: "ad-1", Shape: shape}, Reason: placement.Refused,
			Message: message, Kind: string(kind), Until: now.Add(time.Duration(minutes) * time.Minute),
		}
	}
	const policy, spec = "404 NotAuthorizedOrNotFound: no policy", "400 InvalidParameter: bad"
	for name, world := range map[string]struct {
		rejections []placement.Rejection
		told       []string
		remedy     string
	}{
		"one account": {
			[]placement.Rejection{refused("alice", "A1", policy+id("A"), cloud.NotFoundOrUnauthorized, 5)},
			[]string{"alice ad-1 A1 refuses the launch, next try at 2026-11-29T12:05:00Z: " + policy + id("A")},
			"have the owner of account alice fix what OCI says",
		},
		"the same words for all its shapes": {
			[]placement.Rejection{refused("alice", "A1", policy+id("A"), cloud.NotFoundOrUnauthorized, 5), refused("alice", "E5", policy+id("B"), cloud.NotFoundOrUnauthorized, 4)},
			[]string{"alice refuses the launch, next try at 2026-11-29T12:04:00Z: " + policy + id("A")},
			"have the owner of account alice",
		},
		"all as invalid": {
			[]placement.Rejection{refused("alice", "A1", spec, cloud.InvalidRequest, 5), refused("bob", "A1", spec, cloud.InvalidRequest, 5)},
			[]string{
				"alice ad-1 A1 refuses the launch, next try at 2026-11-29T12:05:00Z: " + spec,
				"bob ad-1 A1 refuses the launch, next try at 2026-11-29T12:05:00Z: " + spec,
			},
			"the cause is probably the machine's own",
		},
		"for different reasons": {
			[]placement.Rejection{refused("alice", "A1", spec, cloud.InvalidRequest, 5), refused("bob", "A1", policy, cloud.NotFoundOrUnauthorized, 5)},
			[]string{
				"alice ad-1 A1 refuses the launch, next try at 2026-11-29T12:05:00Z: " + spec,
				"bob ad-1 A1 refuses the launch, next try at 2026-11-29T12:05:00Z: " + policy,
			},
			"have the owner of account alice and bob fix what OCI says",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			decision := placement.Decision{Rejections: world.rejections}
			g.Expect(refusalsOf(decision)).To(Equal(world.told))
			refusal := refuse(advice{}, decision, nil, now, time.Minute)
			g.Expect(refusal.Reason).To(Equal(infrav1.LaunchRefusedReason))
			g.Expect(refusal.Message).To(And(ContainSubstring(world.remedy), ContainSubstring("the next try is at")))
			g.Expect(refusal.RetryAfter).To(BeNumerically("<=", 5*time.Minute))
		})
	}
}
