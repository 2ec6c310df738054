// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"fmt"
	"strings"
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

type lackingPolicy struct {
	policy, ready, condition, says string
	approval                       infrav1.RouteApproval
}

// lackingPolicies are policies, what is told of them, and who approves routes.
var lackingPolicies = map[string]lackingPolicy{
	"everything is there": {
		policyOf(openToAll), "True Ready", "True Ready", "", infrav1.RouteApprovalProvider,
	},
	"no owner of a tag": {
		fmt.Sprintf(`{"tagOwners": {%q: ["fleet@"]}, %s}`, helpers.NodeTag, openToAll), "True Ready", "False PolicyIncomplete",
		fmt.Sprintf(`Add to tagOwners: "%s": ["fleet@"]; to nodeAttrs: `, helpers.ControlPlaneTag), infrav1.RouteApprovalProvider,
	},
	"no attribute": {
		strings.Replace(policyOf(openToAll), "cache-network-maps", "magicdns-aaaa", 1), "True Ready", "False PolicyIncomplete",
		`"attr": ["cache-network-maps"]}. Without cache-network-maps a node that restarts while the coordination server is away has no address`,
		infrav1.RouteApprovalProvider,
	},
	"nobody reaches anybody": {
		policyOf(`"grants": [{"src": ["fleet@"], "dst": ["*"], "ip": ["*"]}]`), "False NodesUnreachable", "False NodesUnreachable",
		`Add to grants: {"src": [`, infrav1.RouteApprovalProvider,
	},
	"nobody approves": {
		policyOf(openToAll), "True Ready", "False PolicyIncomplete",
		fmt.Sprintf(`Add to autoApprovers.routes: "10.250.0.0/24": ["%[1]s"], "10.244.0.0/16": ["%[1]s", "%[2]s"]`, helpers.ControlPlaneTag, helpers.NodeTag), infrav1.RouteApprovalPolicy,
	},
	"others approve": {
		policyOf(openToAll + `, "autoApprovers": {"routes": {"10.244.7.0/24": ["tag:k8s"], "10.42.0.0/16": ["tag:k8s"]}}`), "True Ready", "False ForeignApprovers",
		`pods: "10.244.7.0/24": ["tag:k8s"]. Take these out there`, infrav1.RouteApprovalProvider,
	},
	"it cannot be understood": {
		`{"acls": 7}`, "True Ready", "Unknown PolicyNotReadable", "cannot be understood", infrav1.RouteApprovalProvider,
	},
}

func TestWhatThePolicyLacksIsToldBeforeThereIsAMachineAndHeals(t *testing.T) {
	for name, world := range lackingPolicies {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w, r := newWorld(t, tailnetsim.Headscale029)
			helpers.Update(t, env, w.Tailnet, func(n *infrav1.Tailnet) { n.Spec.RouteApproval = world.approval })
			w.Control.SetPolicyText(world.policy)
			cluster := helpers.NewCluster(w.Namespace, "routed")
			env.Create(t, cluster)
			routed := helpers.NewOCIMeshCluster(cluster, w.Tailnet.Name, w.AccountNames())
			routed.Spec.PodNetwork.Mode = infrav1.PodNetworkTailnetRoutes
			env.Create(t, routed)
			routed.Status.Ranges.Pods = []string{"10.244.0.0/16"}
			g.Expect(env.Client.Status().Update(t.Context(), routed)).To(Succeed())

			result := reconciled(t, r, w.Tailnet)

			helpers.ExpectConditions(t, w.Tailnet, "Ready "+world.ready, "CredentialsValid True Ready", "PolicyReady "+world.condition,
				"StraysAbsent True Ready", "RangesDistinct True Ready", "Deleting False NotDeleting")
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
		"StraysAbsent True Ready", "RangesDistinct True Ready", "Deleting False NotDeleting")
}
