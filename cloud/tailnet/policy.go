// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tailscale/hujson"
)

// Policy reads the tailnet's policy and compares it with what nodes need. ReasonMissingScope and
// ReasonNotFound say that the server does not show it; Tailscale wants the scope policy_file:read
// for that, which no other operation needs.
func (c *Client) Policy(ctx context.Context, needs PolicyNeeds) (PolicyFindings, error) {
	const operation = "GetPolicy"
	return call(ctx, c, operation, func(ctx context.Context, b backend) (PolicyFindings, error) {
		text, err := b.policy(ctx)
		if err != nil {
			return PolicyFindings{}, err
		}
		policy, err := parsePolicy(text)
		if err != nil {
			return PolicyFindings{}, fail(operation, ReasonInvalidRequest, fmt.Errorf("the policy cannot be understood: %w", err))
		}
		needs.headscale, needs.nodeAttrs = c.custom, b.takesNodeAttrs()
		return policy.compare(needs), nil
	})
}

// policyFile has the parts of a policy that matter to nodes. Field names are matched without
// regard to case, as both servers do. Source: tailscale.com/docs/reference/syntax/policy-file.
type policyFile struct {
	Hosts         map[string]string   `json:"hosts"`
	TagOwners     map[string][]string `json:"tagOwners"`
	ACLs          []aclRule           `json:"acls"`
	Grants        []grantRule         `json:"grants"`
	NodeAttrs     []attrRule          `json:"nodeAttrs"`
	AutoApprovers struct {
		Routes map[string][]string `json:"routes"`
	} `json:"autoApprovers"`
}

// aclRule has sources and destinations by their older names as well: users and ports.
type aclRule struct {
	Action string   `json:"action"`
	Proto  string   `json:"proto"`
	Src    []string `json:"src"`
	Dst    []string `json:"dst"`
	Users  []string `json:"users"`
	Ports  []string `json:"ports"`
}

type grantRule struct {
	Src []string `json:"src"`
	Dst []string `json:"dst"`
	IP  []string `json:"ip"`
}

type attrRule struct {
	Target []string `json:"target"`
	Attr   []string `json:"attr"`
}

// parsePolicy reads HuJSON: JSON with comments and trailing commas.
func parsePolicy(text string) (policyFile, error) {
	var policy policyFile
	if text == "" {
		return policy, nil
	}
	standard, err := hujson.Standardize([]byte(text))
	if err != nil {
		return policy, err
	}
	return policy, json.Unmarshal(standard, &policy)
}

// allowsEverything is so for a policy without rules. One with an empty list of them allows nothing.
// Sources: compileFilterRules in Headscale's hscontrol/policy/v2/filter.go, Tailscale's page of the
// syntax ("acls").
func (p policyFile) allowsEverything() bool { return p.ACLs == nil && p.Grants == nil }
