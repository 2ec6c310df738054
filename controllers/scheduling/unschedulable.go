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
)

// unsizedRemedy is what a person can do where OCI does not tell the size of a shape.
const unsizedRemedy = "bound instances of the family rather than OCPUs and memory, or use a shape of the account's region"

// maxMessage bounds what a condition lists.
const maxMessage = 1024

// Refusal says why a machine has no place, what helps, and when to ask again. With several causes,
// the reason is the one that is easiest to resolve; the message has all.
type Refusal struct {
	Reason, Message string
	RetryAfter      time.Duration
}

// refuse makes the refusal of a decision without candidates. problems are those of images; poll is
// when to ask again if a person has to fix something.
func refuse(failureDomain string, decision placement.Decision, problems []error, now time.Time, poll time.Duration) *Refusal {
	if decision.UnknownFailureDomain {
		return &Refusal{
			Reason:     infrav1.FailureDomainUnknownReason,
			Message:    fmt.Sprintf("Failure domain %s does not exist in this cluster: fix failureDomain on the Machine or its owner", failureDomain),
			RetryAfter: poll,
		}
	}
	short, budget, limit := causes(decision, placement.Short), causes(decision, placement.OverBudget), causes(decision, placement.OverLimit)
	refused, images := refusalsOf(decision), messagesOf(problems)
	unsized := causes(decision, placement.SizeUnknown)
	all := slices.Concat(refused, short, budget, limit, unsized, images, causes(decision, placement.AccountNotReady))
	wait, reason, remedies := poll, infrav1.NoCapacityReason, remediesFor(decision)
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
	message := "No account can take the machine: " + enumerate(all)
	if len(remedies) > 0 {
		message += ". What helps: " + strings.Join(remedies, "; ")
	}
	return &Refusal{Reason: reason, Message: message, RetryAfter: wait}
}

// remediesFor are what a person can do so that there is room. What is wrong with images and
// accounts says itself what to fix.
func remediesFor(decision placement.Decision) []string {
	remedies := refusalRemedies(decision)
	if accounts := accountsWith(decision, placement.OverBudget); len(accounts) > 0 {
		remedies = append(remedies, fmt.Sprintf("raise spec.budget of OCIAccount %s, or delete machines in it", strings.Join(accounts, " or ")))
	}
	if accounts := accountsWith(decision, placement.OverLimit); len(accounts) > 0 {
		remedies = append(remedies,
			fmt.Sprintf("ask Oracle for a higher limit of account %s, or delete instances in it", strings.Join(accounts, " or ")))
	}
	if len(accountsWith(decision, placement.SizeUnknown)) > 0 {
		remedies = append(remedies, unsizedRemedy)
	}
	if len(remedies)+len(accountsWith(decision, placement.Short)) > 0 {
		remedies = append(remedies, "add accounts to the OCIMeshCluster", "allow other shapes")
	}
	return remedies
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

// enumerate joins the texts, as many as a message has room for.
func enumerate(texts []string) string {
	if len(texts) == 0 {
		return "the cluster lists none"
	}
	var out strings.Builder
	for i, text := range texts {
		if i > 0 && out.Len()+len(text) > maxMessage {
			fmt.Fprintf(&out, "; and %d more", len(texts)-i)
			break
		}
		if i > 0 {
			out.WriteString("; ")
		}
		out.WriteString(text)
	}
	return out.String()
}
