// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package console finds out why a node is late: OCI captures the console of its instance, and the
// last words of its scripts are recorded.
package console

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// Interval is between two captures of a machine's console.
const Interval = 10 * time.Minute

// Console is that of a machine's instance. OCI takes some passes to capture it.
type Console struct {
	// Pass is asked for the next look.
	Pass *phases.Pass
	// Machine's status has the capture under way, and the last words.
	Machine  *infrav1.OCIMeshMachine
	Owner    ownership.Owner
	Hostname string
	// Late is at what the node is late; empty if it is not. Running says that the instance is.
	Late    string
	Running bool
	// Connect reaches the instance's account.
	Connect func(context.Context) (instances.Account, error)
	// Key is the machine's for its tailnet, which the console may show if it is not used yet.
	Key func(context.Context) (cloudinit.Secret, error)
	// Recorder records events.
	Recorder events.EventRecorder
	// Now is the time of the pass.
	Now time.Time
}

// Read takes the next step towards the node's last words. It holds nothing up.
func (c Console) Read(ctx context.Context) {
	status := &c.Machine.Status.Console
	if status.HistoryID == "" && (c.Late == "" || !c.Running) {
		if c.Late == "" {
			*status = infrav1.ConsoleStatus{}
		}
		return
	}
	in, err := c.Connect(ctx)
	if err != nil {
		// Other phases tell of it.
		return
	}
	if status.HistoryID != "" {
		c.readHistory(ctx, in.Client)
		return
	}
	if next := status.CapturedAt.Add(Interval); c.Now.Before(next) {
		c.Pass.Requeue(next.Sub(c.Now))
		return
	}
	c.capture(ctx, in.Client)
}

// capture asks OCI for the console. A process that ends before it has written status asks again
// under the same token. The capture of an answer that was lost otherwise stays, and costs nothing.
func (c Console) capture(ctx context.Context, client *oci.Client) {
	status := &c.Machine.Status.Console
	token := cloud.RetryToken("console", c.Owner.Digest(), status.CapturedAt.UTC().Format(time.RFC3339))
	id, err := client.CaptureConsoleHistory(ctx, ownership.Recorded(c.Machine.Status.Instance.ID), c.Hostname, token)
	if err != nil && cloud.WasNotSent(err) {
		c.Pass.Requeue(c.Pass.Intervals.Progress)
		return
	}
	status.CapturedAt = metav1.NewTime(c.Now.Truncate(time.Second))
	if err != nil {
		status.Message = unreadable(err)
		c.Pass.Requeue(Interval)
		return
	}
	status.HistoryID = id
	c.Pass.Requeue(c.Pass.Intervals.Progress)
}

// readHistory takes the last words out of a capture once OCI has it, and deletes it.
func (c Console) readHistory(ctx context.Context, client *oci.Client) {
	status := &c.Machine.Status.Console
	state, err := client.GetConsoleHistory(ctx, status.HistoryID)
	if err == nil && state == oci.ConsoleSucceeded {
		err = c.listen(ctx, client)
	}
	overdue := !c.Now.Before(status.CapturedAt.Add(Interval))
	switch {
	case err == nil && state == oci.ConsoleSucceeded:
	case err == nil && state == oci.ConsoleFailed:
		status.Message = "OCI could not capture the console: look at the serial console of the instance in OCI"
	case !overdue && (err == nil || passes(err)):
		c.Pass.Requeue(c.Pass.Intervals.Progress)
		return
	case err == nil:
		status.Message = fmt.Sprintf("OCI has not captured the console within %s, and is asked again", Interval)
	default:
		status.Message = unreadable(err)
	}
	c.drop(ctx, client)
	c.Pass.Requeue(Interval)
}

// passes tells whether the capture may be had a moment later.
func passes(err error) bool {
	return cloud.WasNotSent(err) || cloud.IsKind(err, cloud.Throttled, cloud.Unavailable, cloud.Conflict, cloud.Unknown)
}

// listen reads a capture, without the key.
func (c Console) listen(ctx context.Context, client *oci.Client) error {
	text, err := client.GetConsoleHistoryContent(ctx, c.Machine.Status.Console.HistoryID)
	if err != nil {
		return err
	}
	key, err := c.Key(ctx)
	if err != nil {
		return err
	}
	c.heard(ctx, instance.LastWords(text, string(key)))
	return nil
}

// heard records the node's words, and has an event tell them.
func (c Console) heard(ctx context.Context, words string) {
	status := &c.Machine.Status.Console
	if words == "" {
		status.Message = "None of its lines begins with capom"
		return
	}
	status.Message = words
	ctrl.LoggerFrom(ctx).Info("Read the node's console", "late", c.Late, "words", words)
	if c.Recorder != nil {
		c.Recorder.Eventf(c.Machine, nil, corev1.EventTypeNormal, "ConsoleRead", "ReadConsole", "The node's last words on its console: %s", words)
	}
}

// drop deletes the capture. One that stays costs nothing, so this is tried once.
func (c Console) drop(ctx context.Context, client *oci.Client) {
	status := &c.Machine.Status.Console
	if err := client.DeleteConsoleHistory(ctx, ownership.Recorded(c.Machine.Status.Console.HistoryID)); err != nil {
		ctrl.LoggerFrom(ctx).Info("Cannot delete a console history", "history", status.HistoryID, "reason", cloud.UserMessage(err))
	}
	status.HistoryID = ""
}

// Leave deletes a capture that nobody is going to read any more.
func (c Console) Leave(ctx context.Context) {
	if c.Machine.Status.Console.HistoryID == "" {
		return
	}
	if in, err := c.Connect(ctx); err == nil {
		c.drop(ctx, in.Client)
	}
}

func unreadable(err error) string {
	problem, needs := access.AsProblem(err), ""
	if problem.Reason == infrav1.NotAuthorizedOrNotFoundReason {
		needs = ", for which the policy needs instance-family or console-histories"
	}
	return fmt.Sprintf("OCI does not show the console%s: %s", needs, problem.Message)
}
