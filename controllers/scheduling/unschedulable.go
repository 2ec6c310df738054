// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"slices"
	"strings"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// unsizedRemedy is what a person can do where OCI does not tell the size of a shape.
const unsizedRemedy = "bound instances of the family rather than OCPUs and memory, or use a shape of the account's region"

// maxMessage bounds what a condition lists; minCauses is what the causes have of it at least, and
// minCause one of several.
const (
	maxMessage = 1024
	minCauses  = 256
	minCause   = 160
)

// Refusal says why a machine has no place, what helps, and when to ask again. With several causes,
// the reason is the one that is easiest to resolve; the message has all.
type Refusal struct {
	Reason, Message string
	RetryAfter      time.Duration
}

// refuse makes the refusal of a decision without candidates. problems are those of images; poll is
// when to ask again if a person has to fix something.
func refuse(about advice, decision placement.Decision, problems []error, now time.Time, poll time.Duration) *Refusal {
	if decision.UnknownFailureDomain {
		return &Refusal{
			Reason:     infrav1.FailureDomainUnknownReason,
			Message:    fmt.Sprintf("Failure domain %s does not exist in this cluster: fix failureDomain on the Machine or its owner", about.failureDomain),
			RetryAfter: poll,
		}
	}
	short, budget, limit := causes(decision, placement.Short), causes(decision, placement.OverBudget), causes(decision, placement.OverLimit)
	refused, images := refusalsOf(decision), messagesOf(problems)
	unsized := causes(decision, placement.SizeUnknown)
	all := slices.Concat(refused, short, budget, limit, unsized, images, causes(decision, placement.AccountNotReady))
	wait, reason, remedies := poll, infrav1.NoCapacityReason, remediesFor(about, decision)
	switch {
	case len(refused)+len(short) > 0:
		if len(short) == 0 {
			reason = infrav1.LaunchRefusedReason
		}
		next := decision.NextTry()
		wait = max(time.Second, next.Sub(now))
		remedies = append(remedies, "or wait: the next try is at "+next.UTC().Format(time.RFC3339))
		if len(images)+len(unsized) > 0 {
			// Whoever adds an image is not seen.
			wait = min(wait, poll)
		}
	case len(budget)+len(limit) > 0:
		if len(budget) > 0 {
			reason = infrav1.BudgetExceededReason
		}
		if len(images)+len(unsized) == 0 {
			// What is freed changes the account's status, which wakes the machine; this is for the
			// case that it does not.
			wait = 5 * poll
		}
		remedies = append(remedies, fmt.Sprintf("or wait: the next try is when something is freed, or at the latest in %s", wait))
	case len(unsized) > 0:
		reason = infrav1.ShapeUnknownReason
	case len(images) > 0:
		reason = access.AsProblem(problems[0]).Reason
	default:
		reason = infrav1.NoAccountReason
		all = causes(decision, placement.NotSelected, placement.ControlPlaneNotAllowed, placement.AccountNotReady)
	}
	helps := ""
	if len(remedies) > 0 {
		helps = ". What helps: " + strings.Join(remedies, "; ")
	}
	const begin = "No account can take the machine: "
	message := begin + enumerate(all, max(maxMessage-len(begin)-len(helps), minCauses)) + helps
	return &Refusal{Reason: reason, Message: message, RetryAfter: wait}
}

// remediesFor are what a person can do so that there is room. What is wrong with images and
// accounts says itself what to fix.
func remediesFor(about advice, decision placement.Decision) []string {
	remedies := append(about.changes(), refusalRemedies(decision)...)
	remedies = append(remedies, budgetRemedies(accountsWith(decision, placement.OverBudget), about.free)...)
	if accounts := accountsWith(decision, placement.OverLimit); len(accounts) > 0 {
		remedies = append(remedies,
			fmt.Sprintf("ask Oracle for a higher limit of account %s, have a quota of it raised, or delete instances in it", strings.Join(accounts, " or ")))
	}
	if len(accountsWith(decision, placement.SizeUnknown)) > 0 {
		remedies = append(remedies, unsizedRemedy)
	}
	switch bound := boundTo(about.failureDomain, decision); {
	case len(remedies)+len(accountsWith(decision, placement.Short)) == 0:
	case bound != "":
		remedies = append(remedies, about.shapes(), fmt.Sprintf("or, since failureDomain %s of the Machine binds it to account %s: "+
			"of a control plane, set controlPlane: false for the account in the OCIMeshCluster and then delete the Machine; "+
			"of workers, change failureDomain on their owner", about.failureDomain, bound))
	default:
		remedies = append(remedies, "add accounts to the OCIMeshCluster", about.shapes())
	}
	return remedies
}

// budgetRemedies are what a person can do so that the accounts' budgets leave room. Oracle's free
// allowance cannot be raised: what is above it costs money, and an account that is Always Free has
// no more to give.
func budgetRemedies(accounts, free []string) (remedies []string) {
	isFree := func(account string) bool { return slices.Contains(free, account) }
	if rest := slices.DeleteFunc(slices.Clone(accounts), isFree); len(rest) > 0 {
		remedies = append(remedies, fmt.Sprintf("raise spec.budget of OCIAccount %s, or delete machines in it", strings.Join(rest, " or ")))
	}
	isPaid := func(account string) bool { return !isFree(account) }
	if used := slices.DeleteFunc(slices.Clone(accounts), isPaid); len(used) > 0 {
		remedies = append(remedies, fmt.Sprintf("delete machines in OCIAccount %s, whose Always Free allowance is used up; or, if the tenancy is "+
			"Pay As You Go, which is charged for what is above, set spec.budget.families and volumeGB in place of alwaysFree",
			strings.Join(used, " or ")))
	}
	return remedies
}

// boundTo is the account of the Machine's failure domain if it keeps the Machine from other places:
// no other account can take it then. It is empty if it does not.
func boundTo(failureDomain string, decision placement.Decision) (account string) {
	if len(accountsWith(decision, placement.OtherFailureDomain)) == 0 {
		return ""
	}
	for _, rejection := range decision.Rejections {
		// Failure domains have their account's name and a hyphen before their own; the name of an
		// account may be the beginning of another's.
		if strings.HasPrefix(failureDomain, rejection.Account+"-") && len(rejection.Account) > len(account) {
			account = rejection.Account
		}
	}
	return account
}

func accountsWith(decision placement.Decision, reason placement.RejectionReason) []string {
	var accounts []string
	for _, rejection := range decision.Rejections {
		if rejection.Reason == reason && !slices.Contains(accounts, rejection.Account) {
			accounts = append(accounts, rejection.Account)
		}
	}
	return accounts
}

// causes say why places were rejected, each once.
func causes(decision placement.Decision, reasons ...placement.RejectionReason) []string {
	var out []string
	for _, rejection := range decision.Rejections {
		if !slices.Contains(reasons, rejection.Reason) {
			continue
		}
		if text := causeOf(rejection); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// causeOf names the place as far as the cause depends on it.
func causeOf(rejection placement.Rejection) string {
	words := placeWords(rejection)
	if rejection.Reason == placement.OverBudget || rejection.Reason == placement.SizeUnknown {
		words = words[:1]
	}
	if rejection.Reason == placement.Short {
		return fmt.Sprintf("%s (%s)", strings.Join(words, " "), rejection.Message)
	}
	return strings.Join(words, " ") + ": " + rejection.Message
}

func placeWords(rejection placement.Rejection) []string {
	words := []string{rejection.Account, rejection.AvailabilityDomain, rejection.FaultDomain, rejection.Shape}
	return slices.DeleteFunc(words, func(word string) bool { return word == "" })
}

func messagesOf(errs []error) []string {
	var out []string
	for _, err := range errs {
		out = append(out, access.AsProblem(err).Message)
	}
	return out
}

// enumerate joins the texts within the room that a message has for them. Long ones are cut first,
// so that all are named as long as that is of use.
func enumerate(texts []string, room int) string {
	const separator, more = "; ", "; and %d more"
	if len(texts) == 0 {
		return "the cluster lists none"
	}
	if length := len(strings.Join(texts, separator)); length > room {
		share := max(room/len(texts)-len(separator), min(minCause, room))
		texts = slices.Clone(texts)
		for i := range texts {
			texts[i] = report.Truncate(texts[i], share)
		}
	}
	var out strings.Builder
	for i, text := range texts {
		needed := len(text) + len(separator)
		if rest := len(texts) - i - 1; rest > 0 {
			needed += len(more)
		}
		if i > 0 && out.Len()+needed > room {
			fmt.Fprintf(&out, more, len(texts)-i)
			break
		}
		if i > 0 {
			out.WriteString(separator)
		}
		out.WriteString(text)
	}
	return out.String()
}
