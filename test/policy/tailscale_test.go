// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/tailscale/hujson"
	tailscale "tailscale.com/client/tailscale/v2"
)

func TestPoliciesForTailscaleAreWhatItsClientKnowsAsAPolicy(t *testing.T) {
	for _, f := range files {
		for _, tailnetRoutes := range []bool{false, true} {
			if !f.tailscale {
				continue
			}
			g := NewWithT(t)
			standard, err := hujson.Standardize([]byte(f.text(t, tailnetRoutes)))
			g.Expect(err).NotTo(HaveOccurred(), f.name)
			decoder := json.NewDecoder(bytes.NewReader(standard))
			decoder.DisallowUnknownFields()
			var policy tailscale.ACL
			g.Expect(decoder.Decode(&policy)).To(Succeed(), f.name)
			g.Expect(policy.ACLs).To(BeEmpty(), "%s: grants only", f.name)
			g.Expect(policy.Grants).NotTo(BeEmpty(), f.name)
			g.Expect(policy.AutoApprovers != nil).To(Equal(f.approves), f.name)
			for _, grant := range policy.Grants {
				g.Expect(grant.Source).NotTo(ContainElement("*"), f.name)
				g.Expect(grant.Destination).NotTo(ContainElement("*"), f.name)
			}
		}
	}
}
