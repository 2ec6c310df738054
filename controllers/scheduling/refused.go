// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// refusalsOf lists what accounts have refused, by account, with the time of the next try. Several
// places of an account that are refused in the same words are one.
func refusalsOf(decision placement.Decision) []string {
	var told []placement.Rejection
	for _, rejection := range decision.Rejections {
		if rejection.Reason != placement.Refused {
			continue
		}
		at := slices.IndexFunc(told, func(t placement.Rejection) bool {
			return t.Account == rejection.Account && cloud.SameButRequestIDs(t.Message, rejection.Message)
		})
		if at < 0 {
			told = append(told, rejection)
			continue
		}
		if told[at].Place != rejection.Place {
			told[at].Place = placement.Place{Account: rejection.Account}
		}
		if rejection.Until.Before(told[at].Until) {
			told[at].Until = rejection.Until
		}
	}
	var out []string
	for _, rejection := range told {
		out = append(out, fmt.Sprintf("%s refuses the launch, next try at %s: %s", strings.Join(placeWords(rejection), " "),
			rejection.Until.UTC().Format(time.RFC3339), rejection.Message))
	}
	return out
}

// refusalRemedies say who can help: whoever wrote the machine's spec, if that is what every account
// takes exception to, or the owners of the accounts.
func refusalRemedies(decision placement.Decision) []string {
	accounts := accountsWith(decision, placement.Refused)
	if len(accounts) == 0 {
		return nil
	}
	names := strings.Join(accounts, " and ")
	for _, rejection := range decision.Rejections {
		if rejection.Reason == placement.Refused && rejection.Kind != string(cloud.InvalidRequest) {
			return []string{"have the owner of account " + names + " fix what OCI says, mostly a policy or the state of the tenancy"}
		}
	}
	if len(accounts) == 1 {
		return []string{"fix what OCI says, in a new template or in account " + names}
	}
	return []string{"every account that was asked refuses the launch as invalid, so the cause is probably the machine's own: fix what OCI says in a new template"}
}
