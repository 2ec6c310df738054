// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// account holds instances and volumes in memory and remembers the terminated ones.
type account struct {
	instances []oci.Instance
	// boots are boot volumes by instance, data all data volumes, attached their attachments,
	// goneSince from when on lists counted.
	boots     map[string][]oci.Volume
	data      []oci.Volume
	attached  []oci.VolumeAttachment
	goneSince time.Time
	// getErr, probeErr and terminateErr are the errors of the calls.
	getErr, probeErr, terminateErr error
	terminated, deleted            []string
}

var errGone = &cloud.Error{Kind: cloud.NotFoundOrUnauthorized, Status: 404}

func (a *account) ListInstances(context.Context) ([]oci.Instance, error) {
	return a.instances, a.probeErr
}

func (a *account) GetInstance(_ context.Context, id string) (oci.Instance, error) {
	for _, instance := range a.instances {
		if instance.ID == id && a.getErr == nil {
			return instance, nil
		}
	}
	return oci.Instance{}, errors.Join(a.getErr, errGone)
}

func (a *account) ProbeCompartment(context.Context) error { return a.probeErr }

func (a *account) TerminateInstance(_ context.Context, own ownership.Proof) error {
	a.terminated = append(a.terminated, own.ID())
	return a.terminateErr
}

func (a *account) BootVolumesOf(_ context.Context, _, instanceID string, since time.Time, _ time.Duration) ([]oci.Volume, error) {
	a.goneSince = since
	return a.boots[instanceID], nil
}

func (a *account) DataVolumesSince(_ context.Context, since time.Time, _ time.Duration) ([]oci.Volume, error) {
	a.goneSince = since
	return a.data, nil
}

func (a *account) DataVolumeAttachments(context.Context, string) ([]oci.VolumeAttachment, error) {
	return a.attached, nil
}

func (a *account) DeleteBootVolume(_ context.Context, own ownership.Proof) error {
	a.deleted = append(a.deleted, own.ID())
	return nil
}

func (a *account) DeleteDataVolume(_ context.Context, own ownership.Proof) error {
	a.deleted = append(a.deleted, own.ID())
	return nil
}

// owned is the machine of an identity.
func owned(uid string) ownership.Owner { return ownership.Machine(uid, "team", "worker-1") }

func instanceIn(id string, state oci.LifecycleState, uid string) oci.Instance {
	return oci.Instance{
		Resource:  oci.Resource{ID: id, State: state, Tags: owned(uid).Tags()},
		CreatedAt: time.Unix(int64(len(id)), 0),
	}
}

func TestOnlyLiveInstancesWithTheMachinesTagCount(t *testing.T) {
	for name, world := range map[string]struct {
		instances []oci.Instance
		want      string
		ended     bool
		duplicate bool
	}{
		"none":                         {nil, "", false, false},
		"another machine's":            {[]oci.Instance{instanceIn("a", oci.StateRunning, "other")}, "", false, false},
		"its own":                      {[]oci.Instance{instanceIn("a", oci.StateStopped, "uid")}, "a", false, false},
		"its own, about to end":        {[]oci.Instance{instanceIn("a", oci.StateTerminating, "uid")}, "", false, false},
		"its own, ended":               {[]oci.Instance{instanceIn("a", oci.StateTerminated, "uid")}, "", true, false},
		"one ended and one that lives": {[]oci.Instance{instanceIn("a", oci.StateTerminated, "uid"), instanceIn("bb", oci.StateProvisioning, "uid")}, "bb", false, false},
		"two that live":                {[]oci.Instance{instanceIn("bb", oci.StateRunning, "uid"), instanceIn("a", oci.StateRunning, "uid")}, "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c := &account{instances: world.instances}
			ended, err := Ended(t.Context(), c, owned("uid"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(ended).To(Equal(world.ended))
			live, found, err := Live(Remaining(owned("uid"), world.instances))
			var duplicated *DuplicatedError
			g.Expect(errors.As(err, &duplicated)).To(Equal(world.duplicate))
			if world.duplicate {
				g.Expect(duplicated.IDs).To(Equal([]string{"a", "bb"}))
			}
			g.Expect(found).To(Equal(world.want != ""))
			g.Expect(live.ID).To(Equal(world.want))
		})
	}
}

func TestA404IsBelievedOnlyWithAProbe(t *testing.T) {
	down := &cloud.Error{Kind: cloud.Unavailable}
	for name, world := range map[string]struct {
		account account
		exists  bool
		fails   bool
	}{
		"it is there":                       {account{instances: []oci.Instance{instanceIn("a", oci.StateRunning, "uid")}}, true, false},
		"it is gone":                        {account{}, false, false},
		"nothing may be seen":               {account{probeErr: errGone}, false, true},
		"the account does not answer":       {account{getErr: down}, false, true},
		"the account falls silent midway":   {account{probeErr: down}, false, true},
		"the credentials are refused by it": {account{getErr: &cloud.Error{Kind: cloud.Unauthenticated}}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, exists, err := Observe(t.Context(), &world.account, "a")
			g.Expect(exists).To(Equal(world.exists))
			g.Expect(err != nil).To(Equal(world.fails))
			removal, err := Remove(t.Context(), &world.account, ownership.Recorded("a"))
			g.Expect(err != nil).To(Equal(world.fails))
			g.Expect(removal.Gone).To(Equal(!world.exists && !world.fails))
		})
	}
}

func TestAnInstanceIsTerminatedOnce(t *testing.T) {
	for state, want := range map[oci.LifecycleState]struct {
		calls int
		gone  bool
	}{
		oci.StateRunning: {1, false}, oci.StateStopped: {1, false}, oci.StateProvisioning: {1, false},
		oci.StateTerminating: {0, false}, oci.StateTerminated: {0, true},
	} {
		t.Run(string(state), func(t *testing.T) {
			g := NewWithT(t)
			c := &account{instances: []oci.Instance{instanceIn("a", state, "uid")}}
			removal, err := Remove(t.Context(), c, ownership.Recorded("a"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(removal.Gone).To(Equal(want.gone))
			g.Expect(c.terminated).To(HaveLen(want.calls))
		})
	}
}

func TestAConflictWhileTerminatingIsTriedAgain(t *testing.T) {
	g := NewWithT(t)
	c := &account{
		instances: []oci.Instance{instanceIn("a", oci.StateProvisioning, "uid")}, terminateErr: &cloud.Error{Kind: cloud.Conflict},
	}
	removal, err := Remove(t.Context(), c, ownership.Recorded("a"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(removal).To(Equal(Removal{State: oci.StateProvisioning}))
}

func TestOnlyTheMachinesOwnVolumesAreDeleted(t *testing.T) {
	g := NewWithT(t)
	volume := func(id, name string, boot bool, state oci.LifecycleState) oci.Volume {
		return oci.Volume{Resource: oci.Resource{ID: id, DisplayName: name, State: state}, Boot: boot}
	}
	c := &account{
		boots: map[string][]oci.Volume{
			"a": {volume("boot", "worker-1 (Boot Volume)", true, oci.StateAvailable)},
			"b": {volume("other-boot", "worker-2 (Boot Volume)", true, oci.StateAvailable)},
		},
		data: []oci.Volume{
			volume("data", "worker-1-data", false, oci.StateAvailable),
			volume("going", "worker-1-logs", false, oci.StateTerminating),
			volume("csi", "pvc-1", false, oci.StateAvailable),
			volume("rescued", "worker-1-data", false, oci.StateAvailable),
		},
	}
	since := time.Unix(1, 0)
	volumes := Volumes{
		Instance: ownership.Recorded("a"), AvailabilityDomain: "AD-1", GoneSince: since,
		Data: []ownership.Proof{ownership.Recorded("data"), ownership.Recorded("going")},
	}
	gone, err := RemoveVolumes(t.Context(), c, volumes)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(gone).To(BeFalse())
	g.Expect(c.deleted).To(ConsistOf("boot", "data"))
	g.Expect(c.goneSince).To(Equal(since))

	c.boots, c.data = nil, []oci.Volume{volume("csi", "pvc-1", false, oci.StateAvailable)}
	gone, err = RemoveVolumes(t.Context(), c, volumes)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(gone).To(BeTrue())
}

func TestOnlyWhatIsAttachedAndWasMadeAtTheLaunchGoesWithAnInstance(t *testing.T) {
	g := NewWithT(t)
	volume := func(id, name string) oci.Volume { return oci.Volume{Resource: oci.Resource{ID: id, DisplayName: name}} }
	attachment := func(id string, state oci.LifecycleState) oci.VolumeAttachment {
		return oci.VolumeAttachment{VolumeID: id, InstanceID: "a", State: state}
	}
	c := &account{
		data: []oci.Volume{
			volume("data", "worker-1-data"), volume("logs", "worker-1-logs"), volume("rescued", "worker-1-etcd"),
			volume("csi", "pvc-1"), volume("other", "worker-1-data"),
		},
		attached: []oci.VolumeAttachment{
			attachment("logs", oci.StateAttaching), attachment("data", oci.StateAttached), attachment("rescued", oci.StateDetached),
			attachment("csi", oci.StateAttached),
		},
	}
	names := []string{"worker-1-data", "worker-1-logs", "worker-1-etcd"}
	leaving, err := Leaving(t.Context(), c, ownership.Recorded("a"), names, time.Unix(1, 0), 0)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(leaving).To(Equal([]string{"data", "logs"}))
}
