// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instances

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

// Ending is an instance to end, proven to be the machine's, and its place.
type Ending struct {
	Proof                       ownership.Proof
	Account, AvailabilityDomain string
}

// Recorded says what status tells of the instance to end.
type Recorded struct {
	// Owner is the machine in this management cluster: instances of another one stay.
	Owner ownership.Owner
	// Proof is of the instance; zero if none is recorded.
	Proof              ownership.Proof
	AvailabilityDomain string
	// KeyExists tells a placement with a launch from one without.
	KeyExists bool
}

// ToEnd are the recorded instance and all others with the machine's tags. With a NotPolledError it
// is the recorded one only: its end need not wait for a poll for the others.
func (f Finder) ToEnd(ctx context.Context, t Target, status Recorded) ([]Ending, error) {
	switch {
	case t.Account == "":
		// Nothing was found anywhere: see the phase that recovers status.
		return nil, nil
	case status.Proof.IsZero() && !status.KeyExists:
		// Placed and never launched.
		return f.toEndElsewhere(ctx, t, status.Owner)
	}
	placed, err := f.Access.AccountOf(ctx, t.Account, "machine")
	if err != nil {
		return nil, err
	}
	elsewhere, err := f.toEndElsewhere(ctx, t, status.Owner)
	if err != nil {
		return nil, err
	}
	if status.Proof.IsZero() {
		tagged, err := f.InstancesIn(t, placed)
		if err != nil {
			return nil, err
		}
		return append(endingsIn(status.Owner, t.Account, tagged), elsewhere...), nil
	}
	// While the instance ends, a poll comes by itself.
	tagged, err := f.polledIn(t, placed)
	all := endingsIn(status.Owner, t.Account, tagged)
	if !slices.ContainsFunc(all, func(e Ending) bool { return e.Proof.ID() == status.Proof.ID() }) {
		all = append(all, Ending{status.Proof, t.Account, status.AvailabilityDomain})
	}
	return append(all, elsewhere...), err
}

// toEndElsewhere are the machine's instances in the cluster's other accounts, as far as their polls
// have shown them. A machine with its status launches none there, but a status can be an old one,
// from a backup. A silent account holds nobody up.
func (f Finder) toEndElsewhere(ctx context.Context, t Target, owner ownership.Owner) ([]Ending, error) {
	candidates, err := f.Candidates(ctx, t)
	if err != nil {
		return nil, err
	}
	var all []Ending
	for _, c := range candidates {
		if c.Name != t.Account {
			all = append(all, endingsIn(owner, c.Name, f.KnownIn(t, c.OCIAccount))...)
		}
	}
	return all, nil
}

// endingsIn leaves out the instances of another management cluster.
func endingsIn(owner ownership.Owner, account string, instances []instance.Own) []Ending {
	all := make([]Ending, 0, len(instances))
	for _, found := range instances {
		if proof, proven := owner.Tagged(found.ID, found.Tags); proven {
			all = append(all, Ending{proof, account, found.AvailabilityDomain})
		}
	}
	return all
}

// Termination ends one instance and its volumes.
type Termination struct {
	// In is the account with the instance.
	In Account
	Ending
	// VolumeNames are the display names of the machine's data volumes, Leaving the record of those
	// going with an instance.
	VolumeNames []string
	Leaving     *infrav1.LeavingStatus
	Now         time.Time
	// Age is how old a list of volumes may be.
	Age time.Duration
}

// Progress is how far a termination is.
type Progress struct {
	// Gone is set once nothing is left. Until then Waiting tells what the deletion waits for.
	Gone    bool
	Waiting *access.Problem
	// State is OCI's of the instance, if it is known. Again is when to look again, if soon.
	State oci.LifecycleState
	Again time.Duration
}

// WaitingFor is what a deletion waits for.
func WaitingFor(format string, args ...any) *access.Problem {
	return access.NewProblem(infrav1.WaitingForTerminationReason, format, args...)
}

// Advance does what can be done now.
func (t Termination) Advance(ctx context.Context) (Progress, error) {
	id := t.Proof.ID()
	recorded, err := t.recordLeaving(ctx)
	switch {
	case err != nil:
		return Progress{}, err
	case !recorded:
		return Progress{Waiting: WaitingFor("Recording the volumes of instance %s before it is ended", id), Again: time.Second}, nil
	}
	removal, err := t.request(ctx)
	switch {
	case err != nil:
		return Progress{}, err
	case !removal.Gone:
		return Progress{
			State: removal.State, Waiting: WaitingFor("Waiting for instance %s, which is %s, to be TERMINATED", id, removal.State),
		}, nil
	}
	p := Progress{State: removal.State}
	p.Gone, err = instance.RemoveVolumes(ctx, t.In.Client, instance.Volumes{
		Instance: t.Proof, AvailabilityDomain: t.AvailabilityDomain, Data: t.volumes(), GoneSince: t.goneSince(), Age: t.Age,
	})
	if err == nil && !p.Gone {
		p.Waiting = WaitingFor("Waiting for the volumes of instance %s to be gone", id)
	}
	return p, err
}

// recordLeaving records the instance's data volumes, before its end is asked for: OCI takes no tags
// for a volume made with its instance, and a display name proves nothing. Volumes detached by then
// stay. recorded is false while the record is not written.
func (t Termination) recordLeaving(ctx context.Context) (recorded bool, err error) {
	if len(t.VolumeNames) == 0 || slices.Contains(t.Leaving.InstanceIDs, t.Proof.ID()) {
		return true, nil
	}
	if seen, known := t.In.Cache.Instance(t.Proof.ID()); known && seen.Listed && seen.State.IsEnding() {
		// It ends already, by another hand or by a pass whose record was lost: nothing tells its
		// volumes apart any more.
		return true, nil
	}
	volumes, err := instance.Leaving(ctx, t.In.Client, t.Proof, t.VolumeNames, t.Now, t.Age)
	if err != nil {
		return false, err
	}
	t.Leaving.InstanceIDs = append(t.Leaving.InstanceIDs, t.Proof.ID())
	t.Leaving.VolumeIDs = append(t.Leaving.VolumeIDs, volumes...)
	return len(volumes) == 0, nil
}

// volumes are the recorded data volumes.
func (t Termination) volumes() []ownership.Proof {
	var proofs []ownership.Proof
	for _, id := range t.Leaving.VolumeIDs {
		proofs = append(proofs, ownership.Recorded(id))
	}
	return proofs
}

// request asks for the end of the instance and looks how far it is: by polls, or by a call if they
// do not show it.
func (t Termination) request(ctx context.Context) (instance.Removal, error) {
	seen, known := t.In.Cache.Instance(t.Proof.ID())
	if !known || !seen.Listed {
		return instance.Remove(ctx, t.In.Client, t.Proof)
	}
	removal, err := instance.End(ctx, t.In.Client, t.Proof, seen.State)
	if err == nil && removal.State != seen.State {
		seen.State = removal.State
		t.In.Cache.Note(seen.Instance, t.Now)
	}
	return removal, err
}

// goneSince is the earliest known time of the instance's end. The time of a poll lets its machines
// share their account's lists of volumes.
func (t Termination) goneSince() time.Time {
	if seen, known := t.In.Cache.Instance(t.Proof.ID()); known && seen.Listed {
		return seen.Since
	}
	return t.Now
}

// VolumesLeft are the data volumes of the names in an account without a record: they stay. Failing
// to look is no reason to keep the machine. age is how old a list of volumes may be.
func (f Finder) VolumesLeft(
	ctx context.Context, account string, names []string, leaving infrav1.LeavingStatus, now time.Time, age time.Duration,
) []string {
	if len(names) == 0 {
		return nil
	}
	in, err := f.Connect(ctx, account)
	if err != nil {
		return nil
	}
	volumes, err := in.Client.DataVolumesSince(ctx, now, age)
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
