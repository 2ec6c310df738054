// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// Problem is an error that a user is told about: the reason and the message of a condition. The
// message says what happened and what to do; it holds no secret.
type Problem struct {
	// Reason is one of the condition reasons of the API.
	Reason string
	// Message is one line.
	Message string
	// RetryAfter is how long the service asks to wait; 0 if it does not say.
	RetryAfter time.Duration
	// Err is the cause; may be nil.
	Err error
}

// NewProblem makes a Problem without a cause.
func NewProblem(reason, format string, args ...any) *Problem {
	return &Problem{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Error returns reason and message.
func (p *Problem) Error() string { return p.Reason + ": " + p.Message }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// NotReady says why an account or a tailnet is not Ready, to readers of the objects that use it. Of
// a deletion it does not say what that waits for: the condition names objects of all namespaces.
func NotReady(object interface {
	metav1.Object
	conditions.Getter
}) string {
	if !object.GetDeletionTimestamp().IsZero() {
		return "it is being deleted, and nothing new is made with it"
	}
	return conditions.GetMessage(object, infrav1.ReadyCondition)
}

// AsProblem turns any error into a Problem: the first one in its chain, else by the kind of cloud
// error, else InternalError. It is nil for nil.
func AsProblem(err error) *Problem {
	if err == nil {
		return nil
	}
	var known *Problem
	if errors.As(err, &known) {
		return known
	}
	var elsewhere *ownership.HeldElsewhereError
	if errors.As(err, &elsewhere) {
		return &Problem{Reason: infrav1.HeldElsewhereReason, Message: elsewhere.Error(), Err: err}
	}
	return &Problem{
		Reason:     reasonOf(err),
		Message:    cloud.UserMessage(err),
		RetryAfter: cloud.RetryAfterOf(err),
		Err:        err,
	}
}

// NotProvenGone makes an error of looking at an instance, or of ending it, the reason why its
// object cannot be let go yet. An error without a reason of its own stays as it is.
func NotProvenGone(err error) error {
	problem := AsProblem(err)
	switch problem.Reason {
	case infrav1.InternalErrorReason:
		return err
	case infrav1.WaitingForTerminationReason:
		return problem
	}
	return &Problem{
		Reason: infrav1.WaitingForAccountReason, RetryAfter: problem.RetryAfter, Err: err,
		Message: "The instance cannot be proven gone: " + problem.Message,
	}
}

// tailnetReasons are finer than the kinds of cloud errors.
var tailnetReasons = map[tailnet.Reason]string{
	tailnet.ReasonMissingScope: infrav1.ScopeMissingReason,
	tailnet.ReasonTagRefused:   infrav1.TagNotPermittedReason,
	tailnet.ReasonTooOld:       infrav1.HeadscaleTooOldReason,
}

var kindReasons = map[cloud.Kind]string{
	cloud.NotFoundOrUnauthorized:        infrav1.NotAuthorizedOrNotFoundReason,
	cloud.RelatedNotFoundOrUnauthorized: infrav1.NotAuthorizedOrNotFoundReason,
	cloud.ExistsOrUnauthorized:          infrav1.RequestRefusedReason,
	cloud.Forbidden:                     infrav1.NotAuthorizedOrNotFoundReason,
	cloud.Unauthenticated:               infrav1.AuthenticationFailedReason,
	cloud.InvalidCredentials:            infrav1.SecretInvalidReason,
	cloud.Throttled:                     infrav1.ThrottledReason,
	cloud.Unavailable:                   infrav1.UnavailableReason,
	cloud.OutOfCapacity:                 infrav1.OutOfCapacityReason,
	cloud.LimitExceeded:                 infrav1.LimitExceededReason,
	cloud.QuotaExceeded:                 infrav1.QuotaExceededReason,
	cloud.Conflict:                      infrav1.ConflictReason,
	cloud.InvalidRequest:                infrav1.RequestRefusedReason,
}

func reasonOf(err error) string {
	if reason, ok := tailnetReasons[tailnet.ReasonOf(err)]; ok {
		return reason
	}
	if reason, ok := kindReasons[cloud.KindOf(err)]; ok {
		return reason
	}
	// The end of a reconcile's context looks like a service that did not answer, and is one to
	// whoever reads the condition.
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return infrav1.UnavailableReason
	}
	return infrav1.InternalErrorReason
}
