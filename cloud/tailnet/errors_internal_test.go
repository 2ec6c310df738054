// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

func TestWhatToDoIsSaidInATailnetsWords(t *testing.T) {
	g := NewWithT(t)
	gate := newGate(Limits{Failures: 1, Cooldown: time.Minute, Turn: time.Nanosecond}, func(string, string) {})
	silent := fail("ListDevices", ReasonUnreachable, errors.New("no answer"))
	gate.leaveAfter(t, silent)
	_, refusal := gate.enter(t.Context(), "ListDevices")
	told := map[string]error{"held back by the circuit": refusal, "held back by slow calls": slow("ListDevices", time.Second)}
	for reason := range kinds {
		told[string(reason)] = fail("ListDevices", reason, errors.New("it failed"))
	}
	for name, err := range told {
		g.Expect(cloud.UserMessage(err)).NotTo(MatchRegexp(`OCI|region|account|compartment|shape`), name)
		g.Expect(cloud.UserMessage(err)).NotTo(Equal(err.Error()), "%s: what is to be done?", name)
	}
}

func TestARefusalForAScopeNamesEveryScope(t *testing.T) {
	g := NewWithT(t)
	err := (&Client{}).translateAnswer("ListDevices", &responseError{status: http.StatusForbidden, json: true, message: "no"})
	g.Expect(ReasonOf(err)).To(Equal(ReasonMissingScope))
	for _, scope := range append(slices.Clone(neededScopes), scopeRoutes) {
		g.Expect(cloud.UserMessage(err)).To(ContainSubstring(scope))
	}
}

// leaveAfter is a call that ended with the error.
func (g *gate) leaveAfter(t *testing.T, err error) {
	t.Helper()
	uninvited, refusal := g.enter(t.Context(), "ListDevices")
	NewWithT(t).Expect(refusal).NotTo(HaveOccurred())
	g.leave(uninvited, err)
}
