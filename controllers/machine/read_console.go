// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
)

// consoleInterval is between two captures of a machine's console.
const consoleInterval = 10 * time.Minute

// readConsole finds out why a node is late: OCI captures its console, which takes some passes, and
// the last words of its scripts go into the condition. It holds nothing up.
func (r *Reconciler) readConsole(ctx context.Context, s *scope) error {
	s.late = s.lateAt()
	console := &s.own.Status.Console
	if console.HistoryID == "" && (s.late == "" || s.instance == nil || s.instance.State != oci.StateRunning) {
		if s.late == "" {
			*console = infrav1.ConsoleStatus{}
		}
		return nil
	}
	in, err := r.finder().Connect(ctx, s.own.Status.Placement.Account)
	if err != nil {
		// Other phases tell of it.
		return nil
	}
	if console.HistoryID != "" {
		return r.readHistory(ctx, s, in)
	}
	if next := console.CapturedAt.Add(consoleInterval); s.now.Before(next) {
		s.Requeue(next.Sub(s.now))
		return nil
	}
	return capture(ctx, s, in)
}

// lateAt is at what the node is late; empty if it is not.
func (s *scope) lateAt() string {
	if found, ok := s.Noted(infrav1.TailnetReadyCondition); ok {
		if found.Reason == infrav1.JoinTimeoutReason {
			return "joining"
		}
		return ""
	}
	if s.observed.Device == nil || s.instance == nil || !s.wasProvisioned() || s.machine.Status.NodeRef.IsDefined() ||
		s.now.Sub(s.instance.CreatedAt) < s.options.JoinTimeout {
		return ""
	}
	return "its Node"
}

// capture asks OCI for the console. A lost answer is asked for again under the same token.
func capture(ctx context.Context, s *scope, in instances.Account) error {
	console := &s.own.Status.Console
	token := cloud.RetryToken("console", s.owner.Digest(), stamp(console.CapturedAt.Time))
	id, err := in.Client.CaptureConsoleHistory(ctx, ownership.Recorded(s.own.Status.Instance.ID), s.hostname, token)
	if err != nil && cloud.WasNotSent(err) {
		s.Requeue(s.Intervals.Progress)
		return nil
	}
	console.CapturedAt = metav1.NewTime(s.now.Truncate(time.Second))
	if err != nil {
		console.Message = unreadable(err)
		s.Requeue(consoleInterval)
		return nil
	}
	console.HistoryID = id
	s.Requeue(s.Intervals.Progress)
	return nil
}

// readHistory takes the last words out of a capture once OCI has it, and deletes it.
func (r *Reconciler) readHistory(ctx context.Context, s *scope, in instances.Account) error {
	console := &s.own.Status.Console
	state, err := in.Client.GetConsoleHistory(ctx, console.HistoryID)
	switch {
	case err == nil && state == oci.ConsoleSucceeded:
		r.listen(ctx, s, in)
	case err == nil && state == oci.ConsoleFailed:
		console.Message = "OCI could not capture the console: look at the serial console of the instance in OCI"
	case err == nil, cloud.WasNotSent(err):
		s.Requeue(s.Intervals.Progress)
		return nil
	default:
		console.Message = unreadable(err)
	}
	dropHistory(ctx, s, in)
	s.Requeue(consoleInterval)
	return nil
}

// listen reads a capture. The machine's key may be in it, if it is not used yet.
func (r *Reconciler) listen(ctx context.Context, s *scope, in instances.Account) {
	text, err := in.Client.GetConsoleHistoryContent(ctx, s.own.Status.Console.HistoryID)
	if err == nil {
		err = s.key.Load(ctx)
	}
	if err != nil {
		s.own.Status.Console.Message = unreadable(err)
		return
	}
	r.heard(ctx, s, instance.LastWords(text, string(s.key.Value)))
}

// heard records the node's words, and has an event tell them.
func (r *Reconciler) heard(ctx context.Context, s *scope, words string) {
	console := &s.own.Status.Console
	if words == "" {
		console.Message = "None of its lines begins with capom"
		return
	}
	console.Message = words
	ctrl.LoggerFrom(ctx).Info("Read the node's console", "late", s.late, "words", words)
	r.event(s, "ConsoleRead", "ReadConsole", "The node's last words on its console: %s", words)
}

// dropHistory deletes the capture. One that stays costs nothing, so this is tried once.
func dropHistory(ctx context.Context, s *scope, in instances.Account) {
	if err := in.Client.DeleteConsoleHistory(ctx, ownership.Recorded(s.own.Status.Console.HistoryID)); err != nil {
		ctrl.LoggerFrom(ctx).Info("Cannot delete a console history", "history", s.own.Status.Console.HistoryID, "reason", cloud.UserMessage(err))
	}
	s.own.Status.Console.HistoryID = ""
}

// leaveConsole deletes a capture that nobody is going to read any more.
func (r *Reconciler) leaveConsole(ctx context.Context, s *scope) {
	if s.own.Status.Console.HistoryID == "" {
		return
	}
	if in, err := r.finder().Connect(ctx, s.own.Status.Placement.Account); err == nil {
		dropHistory(ctx, s, in)
	}
}

func unreadable(err error) string {
	return fmt.Sprintf("OCI does not show the console, for which the policy needs instance-family or console-histories: %s", access.AsProblem(err).Message)
}

// saidBy is the condition's message with what the node said.
func (s *scope) saidBy(message string) string {
	said := s.own.Status.Console.Message
	if s.late == "its Node" {
		missing := fmt.Sprintf("No Node of the machine has appeared within %s of its launch", s.options.JoinTimeout)
		if message != "" {
			missing = message + "; " + missing
		}
		message = missing
	}
	if said == "" {
		return message
	}
	return message + "; last on its console: " + said
}
