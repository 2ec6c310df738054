// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"slices"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// ending is an instance to end, proven to be the machine's, and its place.
type ending struct {
	proof                       ownership.Proof
	account, availabilityDomain string
}

// recordedInstance says what status tells of the instance to end.
type recordedInstance struct {
	// owner is the machine in this management cluster: instances of another one stay.
	owner ownership.Owner
	// proof is of the instance; zero if none is recorded.
	proof              ownership.Proof
	availabilityDomain string
	// keyExists tells a placement with a launch from one without.
	keyExists bool
}

// toEnd are the recorded instance and all others with the machine's tags. With a notPolledError it
// is the recorded one only: its end need not wait for a poll for the others.
func (f finder) toEnd(ctx context.Context, t target, status recordedInstance) ([]ending, error) {
	switch {
	case t.account == "":
		// Nothing was found anywhere: see recoverStatus.
		return nil, nil
	case status.proof.IsZero() && !status.keyExists:
		// Placed and never launched.
		return f.toEndElsewhere(ctx, t, status.owner)
	}
	placed, err := f.access.AccountOf(ctx, t.account, "machine")
	if err != nil {
		return nil, err
	}
	elsewhere, err := f.toEndElsewhere(ctx, t, status.owner)
	if err != nil {
		return nil, err
	}
	if status.proof.IsZero() {
		tagged, err := f.instancesIn(t, placed)
		if err != nil {
			return nil, err
		}
		return append(endingsIn(status.owner, t.account, tagged), elsewhere...), nil
	}
	// While the instance ends, a poll comes by itself.
	tagged, err := f.polledIn(t, placed)
	all := endingsIn(status.owner, t.account, tagged)
	if !slices.ContainsFunc(all, func(e ending) bool { return e.proof.ID() == status.proof.ID() }) {
		all = append(all, ending{status.proof, t.account, status.availabilityDomain})
	}
	return append(all, elsewhere...), err
}

// toEndElsewhere are the machine's instances in the cluster's other accounts, as far as their polls
// have shown them. A machine with its status launches none there, but a status can be an old one,
// from a backup. A silent account holds nobody up.
func (f finder) toEndElsewhere(ctx context.Context, t target, owner ownership.Owner) ([]ending, error) {
	candidates, err := f.candidates(ctx, t)
	if err != nil {
		return nil, err
	}
	var all []ending
	for _, c := range candidates {
		if c.Name != t.account {
			all = append(all, endingsIn(owner, c.Name, f.knownIn(t, c.OCIAccount))...)
		}
	}
	return all, nil
}

// endingsIn leaves out the instances of another management cluster.
func endingsIn(owner ownership.Owner, account string, instances []instance.Own) []ending {
	all := make([]ending, 0, len(instances))
	for _, found := range instances {
		if proof, proven := owner.Tagged(found.ID, found.Tags); proven {
			all = append(all, ending{proof, account, found.AvailabilityDomain})
		}
	}
	return all
}

// termination ends one instance and its volumes.
type termination struct {
	account
	ending
	// volumeNames are the display names of the machine's data volumes, leaving the record of those
	// going with an instance.
	volumeNames []string
	leaving     *infrav1.LeavingStatus
	now         time.Time
	// age is how old a list of volumes may be.
	age time.Duration
}

// progress is how far a termination is.
type progress struct {
	// gone is set once nothing is left. Until then waiting tells what the deletion waits for.
	gone    bool
	waiting *access.Problem
	// state is OCI's of the instance, if it is known. again is when to look again, if soon.
	state oci.LifecycleState
	again time.Duration
}

func waitingFor(format string, args ...any) *access.Problem {
	return access.NewProblem(infrav1.WaitingForTerminationReason, format, args...)
}

// advance does what can be done now.
func (t termination) advance(ctx context.Context) (progress, error) {
	id := t.proof.ID()
	recorded, err := t.recordLeaving(ctx)
	switch {
	case err != nil:
		return progress{}, err
	case !recorded:
		return progress{waiting: waitingFor("Recording the volumes of instance %s before it is ended", id), again: time.Second}, nil
	}
	removal, err := t.request(ctx)
	switch {
	case err != nil:
		return progress{}, err
	case !removal.Gone:
		return progress{
			state: removal.State, waiting: waitingFor("Waiting for instance %s, which is %s, to be TERMINATED", id, removal.State),
		}, nil
	}
	p := progress{state: removal.State}
	p.gone, err = instance.RemoveVolumes(ctx, t.client, instance.Volumes{
		Instance: t.proof, AvailabilityDomain: t.availabilityDomain, Data: t.volumes(), GoneSince: t.goneSince(), Age: t.age,
	})
	if err == nil && !p.gone {
		p.waiting = waitingFor("Waiting for the volumes of instance %s to be gone", id)
	}
	return p, err
}

// recordLeaving records the instance's data volumes, before its end is asked for: OCI takes no tags
// for a volume made with its instance, and a display name proves nothing. Volumes detached by then
// stay. recorded is false while the record is not written.
func (t termination) recordLeaving(ctx context.Context) (recorded bool, err error) {
	if len(t.volumeNames) == 0 || slices.Contains(t.leaving.InstanceIDs, t.proof.ID()) {
		return true, nil
	}
	if seen, known := t.cache.Instance(t.proof.ID()); known && seen.Listed && seen.State.IsEnding() {
		// It ends already, by another hand or by a pass whose record was lost: nothing tells its
		// volumes apart any more.
		return true, nil
	}
	volumes, err := instance.Leaving(ctx, t.client, t.proof, t.volumeNames, t.now, t.age)
	if err != nil {
		return false, err
	}
	t.leaving.InstanceIDs = append(t.leaving.InstanceIDs, t.proof.ID())
	t.leaving.VolumeIDs = append(t.leaving.VolumeIDs, volumes...)
	return len(volumes) == 0, nil
}

// volumes are the recorded data volumes.
func (t termination) volumes() []ownership.Proof {
	var proofs []ownership.Proof
	for _, id := range t.leaving.VolumeIDs {
		proofs = append(proofs, ownership.Recorded(id))
	}
	return proofs
}

// request asks for the end of the instance and looks how far it is: by polls, or by a call if they
// do not show it.
func (t termination) request(ctx context.Context) (instance.Removal, error) {
	seen, known := t.cache.Instance(t.proof.ID())
	if !known || !seen.Listed {
		return instance.Remove(ctx, t.client, t.proof)
	}
	removal, err := instance.End(ctx, t.client, t.proof, seen.State)
	if err == nil && removal.State != seen.State {
		seen.State = removal.State
		t.cache.Note(seen.Instance, t.now)
	}
	return removal, err
}

// goneSince is the earliest known time of the instance's end. The time of a poll lets its machines
// share their account's lists of volumes.
func (t termination) goneSince() time.Time {
	if seen, known := t.cache.Instance(t.proof.ID()); known && seen.Listed {
		return seen.Since
	}
	return t.now
}

// volumesLeft are the data volumes of the names in an account without a record: they stay. Failing
// to look is no reason to keep the machine. age is how old a list of volumes may be.
func (f finder) volumesLeft(
	ctx context.Context, account string, names []string, leaving infrav1.LeavingStatus, now time.Time, age time.Duration,
) []string {
	if len(names) == 0 {
		return nil
	}
	in, err := f.connect(ctx, account)
	if err != nil {
		return nil
	}
	volumes, err := in.client.DataVolumesSince(ctx, now, age)
	if err != nil {
		return nil
	}
	var left []string
	for _, volume := range volumes {
		if slices.Contains(names, volume.DisplayName) && !slices.Contains(leaving.VolumeIDs, volume.ID) {
			left = append(left, volume.ID)
		}
	}
	return left
}
