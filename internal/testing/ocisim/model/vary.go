// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
)

// Variety chooses, by a seed, among the answers that OCI may give: where it promises no order,
// gives shorter pages than asked for, or where several codes are seen or plausible. The zero value
// always gives the answer that was seen most.
type Variety struct {
	// Seed is 0 for no variety.
	Seed uint64
}

// pick chooses one of n, the same for the same words; 0 without a seed.
func (v Variety) pick(n int, words ...any) int {
	if v.Seed == 0 {
		return 0
	}
	return int(v.hash(words...) % uint64(n)) //nolint:gosec // n is small and positive.
}

func (v Variety) hash(words ...any) uint64 {
	sum := fnv.New64a()
	_, _ = fmt.Fprintln(sum, v.Seed, words)
	// The low bits of FNV-1a depend on the last bytes only.
	return sum.Sum64() >> 17
}

// unordered are the kinds listed in no order that OCI promises, unless the caller asks for one;
// block storage goes from old to new, networks from new to old (lists of the real service in the
// cassettes of oracle/oci-cli, services/core/tests).
var unordered = []string{"instance", "image", "coreservicesworkrequest"}

var oldestFirst = []string{"volume", "bootvolume", "volumeattachment", "bootvolumeattachment"}

// order is how OCI lists a kind of which the caller asks for no order.
func (s *State) order(a, b *Meta) int {
	switch {
	case slices.Contains(unordered, a.kind):
		// Without a seed too: who depends on an order is to fail.
		return cmp.Compare(s.world.variety.hash(a.sequence), s.world.variety.hash(b.sequence))
	case slices.Contains(oldestFirst, a.kind):
		return cmp.Compare(a.sequence, b.sequence)
	}
	return cmp.Compare(b.sequence, a.sequence)
}

// pageLength is how many items a page has of those that are left: OCI gives 98 or 99 of 100 now and
// then.
func (s *State) pageLength(start, left, limit int) int {
	if left < limit || limit < 3 {
		return min(left, limit)
	}
	return limit - s.world.variety.pick(3, "page", start, limit)
}

// endsEmpty tells whether an empty page follows the last item.
func (s *State) endsEmpty(length int) bool {
	return s.world.variety.pick(2, "empty", length, s.sequence) == 1
}

// vanish takes a network resource away. OCI answers 404 from some seconds later on, and not with
// 200 and the final state; with a seed, some do that.
func (s *State) vanish(item stored, leaving, gone string) {
	item.meta().setState(leaving)
	s.after(s.world.delays.Network, func() { s.gone(item, gone) })
}

// gone is the end of vanish.
func (s *State) gone(item stored, state string) {
	if s.world.variety.pick(2, "gone", item.meta().sequence) == 1 {
		s.end(item, state)
		return
	}
	item.meta().setState(state)
	s.forget(item)
}

// appear is how a network resource begins: AVAILABLE at once, or, with a seed, PROVISIONING first.
func (s *State) appear(item stored) {
	if s.world.variety.pick(2, "appear", item.meta().sequence) == 0 {
		item.meta().setState(StateAvailable)
		return
	}
	s.settle(item, s.world.delays.Network, StateProvisioning, StateAvailable)
}

// busy refuses a change of what is being changed. Network load balancers answer Conflict
// (oracle/terraform-provider-oci issue 1456), and so do instances (issue 1282 there);
// IncorrectState is documented for both.
func (s *State) busy(format string, args ...any) *Error {
	if s.world.variety.pick(2, "busy", s.sequence) == 1 {
		return ErrIncorrectState(format, args...)
	}
	return ErrConflict(format, args...)
}

// exists refuses to create what is there. OCI does not tell it from a missing permission
// (oracle/terraform-provider-oci issue 1593).
func (s *State) exists(format string, args ...any) *Error {
	if s.world.variety.pick(2, "exists", s.sequence) == 1 {
		return ErrConflict(format, args...)
	}
	return ErrNotAuthorizedOrExists()
}

// related makes a 404 of something that a body refers to what the API Errors page has for it; with
// a seed, it may stay a 404.
func (s *State) related(err error) error {
	if err == nil || err.Error() != ErrNotFound().Error() || s.world.variety.pick(2, "related", s.sequence) == 1 {
		return err
	}
	return ErrRelatedNotFound()
}

// mismatched refuses a retry token with another payload. That OCI refuses it is known (oracle/
// karpenter-provider-oci issue 97), its code is not.
func (s *State) mismatched() *Error {
	refusal := &Error{Status: 409, Code: "InvalidatedRetryToken", Message: "The retry token was used in an earlier request with a different payload."}
	switch s.world.variety.pick(3, "retry", s.sequence) {
	case 1:
		refusal.Code = "Conflict"
	case 2:
		refusal.Status, refusal.Code = 400, "InvalidParameter"
	}
	return refusal
}
