// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package updates changes machines in place: the instance and its volumes by calls to OCI, the node
// by its agent. Package inplace tells Cluster API beforehand what can be changed so.
package updates

import (
	"context"
	"maps"
	"slices"
	"time"

	"k8s.io/client-go/tools/events"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// IsUpdated tells whether the machine is being updated in place. Cluster API says so by an
// annotation; what was begun is finished also without it.
func IsUpdated(own *infrav1.OCIMeshMachine) bool {
	_, marked := own.Annotations[clusterv1.UpdateInProgressAnnotation]
	return marked || !isZero(own.Status.Update) || !own.Status.Drain.StartedAt.IsZero()
}

// IsRestarting tells whether a restart of ours is to be expected.
func IsRestarting(update infrav1.UpdateStatus) bool {
	return (update.Step != "" && !update.Step.Grows()) || (!update.NotBefore.IsZero() && update.Refusal == "")
}

func isZero(update infrav1.UpdateStatus) bool {
	return update.Step == "" && update.Attempt == 0 && update.NotBefore.IsZero()
}

// Instance is a running instance on its way to what the machine's spec wants: tags at once, larger
// volumes while it runs if the node has the agent, another size of a flexible shape by a restart.
type Instance struct {
	// Pass is told what is found out, in the condition Updated.
	Pass *phases.Pass
	// Own stands for the instance. Its status has the step that is under way, the granted size
	// and the names of the spec's tags.
	Own   *infrav1.OCIMeshMachine
	Owner ownership.Owner
	// Machine owns Own. Client reads its cluster's other Machines.
	Machine *clusterv1.Machine
	Client  client.Reader
	// Seen is what polls show of the instance, Before the state that was recorded of it. Connect
	// reaches its account.
	Seen    oci.Instance
	Before  oci.LifecycleState
	Connect func(context.Context) (instances.Account, error)
	// VolumeNames are the display names of the spec's data volumes.
	VolumeNames []string
	// Room asks the account's budget for the spec's size, and reserves it; GiveBack gives up what
	// is not used.
	Room     func(context.Context) (*access.Problem, error)
	GiveBack func()
	// Withdraw takes the virtual address from a control plane before its restart.
	Withdraw func(context.Context) error
	// Drain takes the pods from the node before its restart.
	Drain *Drain
	// Recorder records events.
	Recorder events.EventRecorder
	// Now is the time of the pass, SettleTime what a node gets after a restart.
	Now        time.Time
	SettleTime time.Duration

	// Decided is set by Advance for a decision in status, to be written only over the version it
	// was read from.
	Decided bool
	// PutOff is set by Advance if the change waits for OCI, the budget, another control plane or a
	// person, and the machine runs on as it is.
	PutOff bool

	in instances.Account
}

// Advance takes the next step of the update. It looks at what OCI says now, since a poll may be
// older than its own last call.
func (u *Instance) Advance(ctx context.Context) (err error) {
	if err := u.learnSize(ctx); err != nil {
		return err
	}
	if !IsUpdated(u.Own) {
		u.GiveBack()
		RecordTags(u.Own)
		return nil
	}
	if u.in, err = u.Connect(ctx); err != nil {
		return err
	}
	ended, err := u.followWork(ctx)
	if err != nil || !ended {
		return err
	}
	seen, exists, err := instance.Observe(ctx, u.in.Client, u.Own.Status.Instance.ID)
	if err != nil || !exists {
		return err
	}
	u.in.Cache.Note(seen, u.Now)
	if seen.State != oci.StateRunning {
		u.awaitRunning(seen.State)
		return nil
	}
	u.settleAfterStart()
	if leaves(u.Pass, u.Machine) {
		u.GiveBack()
		return nil
	}
	proof := ownership.Recorded(u.Own.Status.Instance.ID)
	if err := u.updateTags(ctx, proof, seen); err != nil {
		return err
	}
	return u.updateSize(ctx, proof, seen)
}

// leaves tells whether the Machine is being deleted, and notes it. Cluster API drains its Node
// then, for as long as disruption budgets ask for: no new step takes away the pods that are left.
// What OCI was asked for already is followed.
func leaves(p *phases.Pass, machine *clusterv1.Machine) bool {
	if machine.DeletionTimestamp.IsZero() {
		return false
	}
	p.Note(infrav1.UpdatedCondition, infrav1.DeletingReason, "The Machine is being deleted: nothing more is changed in place")
	return true
}

const aboutToChange = "OCI is about to be asked for the machine's change in place"

// updating notes an update under way.
func updating(p *phases.Pass, after time.Duration, format string, args ...any) {
	p.Note(infrav1.UpdatedCondition, infrav1.UpdatingReason, format, args...)
	p.Requeue(after)
}

// updateTags sets the spec's tags, and takes its former ones away.
func (u *Instance) updateTags(ctx context.Context, proof ownership.Proof, seen oci.Instance) error {
	wanted := u.Own.Spec.Tags
	var gone []string
	for _, name := range u.Own.Status.TagNames {
		if _, keeps := wanted[name]; !keeps {
			if _, is := seen.Tags[name]; is {
				gone = append(gone, name)
			}
		}
	}
	if len(gone) > 0 || !seen.HasTags(wanted) {
		updated, err := u.in.Client.UpdateInstanceTags(ctx, proof, wanted, gone)
		if err != nil {
			return err
		}
		u.in.Cache.Note(updated, u.Now)
	}
	RecordTags(u.Own)
	return nil
}

// RecordTags records the spec's tags, to tell them from the instance's others.
func RecordTags(own *infrav1.OCIMeshMachine) {
	own.Status.TagNames = slices.Sorted(maps.Keys(own.Spec.Tags))
}

// followWork tells whether nothing is under way any more.
func (u *Instance) followWork(ctx context.Context) (ended bool, err error) {
	update := &u.Own.Status.Update
	if update.WorkRequestID == "" {
		return true, nil
	}
	work, err := u.in.Client.WorkOf(ctx, update.WorkRequestID)
	switch {
	case cloud.IsKind(err, cloud.NotFoundOrUnauthorized):
		// OCI forgets work requests: what has come of it is seen at the instance.
		work = oci.Work{Done: true}
	case err != nil:
		return false, err
	case !work.Done:
		updating(u.Pass, u.Pass.Intervals.Progress, "OCI is working on the instance's step %s", update.Step)
		u.Pass.Stop()
		return false, nil
	}
	if work.Failure != nil {
		u.putUpdateOff(ctx, work.Failure)
		return false, nil
	}
	u.settleUpdate()
	return true, nil
}
