// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

const openToAll = `"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}]`

// policyOf is a policy of the server's with owners of both tags, attributes, and the rest.
func policyOf(rest string) string {
	return fmt.Sprintf(`{
		"tagOwners": {%q: ["fleet@"], %q: ["fleet@"]},
		"nodeAttrs": [{"target": ["autogroup:tagged"], "attr": ["cache-network-maps"]}],
		%s,
	}`, helpers.NodeTag, helpers.ControlPlaneTag, rest)
}

func TestWhatThePolicyLacksIsToldBeforeThereIsAMachineAndHeals(t *testing.T) {
	for name, world := range map[string]struct {
		policy, ready, condition, says string
		approval                       infrav1.RouteApproval
	}{
		"everything is there": {
			policyOf(openToAll), "True Ready", "True Ready", "", infrav1.RouteApprovalProvider,
		},
		"no owner of a tag": {
			fmt.Sprintf(`{"tagOwners": {%q: ["fleet@"]}, %s}`, helpers.NodeTag, openToAll), "True Ready", "False PolicyIncomplete",
			fmt.Sprintf(`Add to tagOwners: "%s": ["fleet@"]; to nodeAttrs: `, helpers.ControlPlaneTag), infrav1.RouteApprovalProvider,
		},
		"nobody reaches anybody": {
			policyOf(`"grants": [{"src": ["fleet@"], "dst": ["*"], "ip": ["*"]}]`), "False NodesUnreachable", "False NodesUnreachable",
			`Add to grants: {"src": [`, infrav1.RouteApprovalProvider,
		},
		"nobody approves": {
			policyOf(openToAll), "True Ready", "False PolicyIncomplete",
			fmt.Sprintf(`Add to autoApprovers.routes: "10.250.0.0/24": ["%s"]`, helpers.ControlPlaneTag), infrav1.RouteApprovalPolicy,
		},
		"it cannot be understood": {
			`{"acls": 7}`, "True Ready", "Unknown PolicyNotReadable", "cannot be understood", infrav1.RouteApprovalProvider,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w, r := newWorld(t, tailnetsim.Headscale029)
			helpers.Update(t, env, w.Tailnet, func(n *infrav1.Tailnet) { n.Spec.RouteApproval = world.approval })
			w.Control.SetPolicyText(world.policy)

			result := reconciled(t, r, w.Tailnet)

			helpers.ExpectConditions(t, w.Tailnet, "Ready "+world.ready, "CredentialsValid True Ready", "PolicyReady "+world.condition,
				"StraysAbsent True Ready", "Deleting False NotDeleting")
			g.Expect(helpers.MessageOf(w.Tailnet, infrav1.PolicyReadyCondition)).To(ContainSubstring(world.says))
			if world.ready != "True Ready" {
				g.Expect(helpers.MessageOf(w.Tailnet, infrav1.ReadyCondition)).To(ContainSubstring(world.says))
				g.Expect(result.RequeueAfter).To(BeNumerically("~", time.Minute, 8*time.Second))
			}

			w.Control.SetPolicyText("")
			helpers.Update(t, env, w.Tailnet, func(n *infrav1.Tailnet) { n.Spec.RouteApproval = infrav1.RouteApprovalProvider })
			r.Options.CheckInterval = time.Nanosecond
			reconciled(t, r, w.Tailnet)

			g.Expect(helpers.ConditionsOf(w.Tailnet)).To(ContainElements("Ready True Ready", "PolicyReady True Ready"))
		})
	}
}

// A server in trouble is the condition CredentialsValid's.
func TestThePolicysConditionStaysWhileItCannotBeRead(t *testing.T) {
	w, r := newWorld(t, tailnetsim.Headscale029)
	reconciled(t, r, w.Tailnet)

	w.Control.Inject(tailnetsim.Fault{Operation: tailnetsim.OpGetPolicy, Status: 503, Times: 100})
	reconciled(t, r, w.Tailnet)

	helpers.ExpectConditions(t, w.Tailnet, "Ready True Ready", "CredentialsValid True Ready", "PolicyReady True Ready",
		"StraysAbsent True Ready", "Deleting False NotDeleting")
}
