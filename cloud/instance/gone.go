// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"slices"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// observer looks at one instance.
type observer interface {
	GetInstance(ctx context.Context, id string) (oci.Instance, error)
	ProbeCompartment(ctx context.Context) error
}

// terminator ends an instance.
type terminator interface {
	TerminateInstance(ctx context.Context, own ownership.Proof) error
}

// remover terminates an instance and deletes its volumes.
type remover interface {
	observer
	terminator
	BootVolumesOf(ctx context.Context, availabilityDomain, instanceID string, since time.Time, age time.Duration) ([]oci.Volume, error)
	DataVolumesSince(ctx context.Context, since time.Time, age time.Duration) ([]oci.Volume, error)
	DeleteBootVolume(ctx context.Context, own ownership.Proof) error
	DeleteDataVolume(ctx context.Context, own ownership.Proof) error
}

var (
	_ observer = (*oci.Client)(nil)
	_ remover  = (*oci.Client)(nil)
)

// Observe returns the instance. OCI answers 404 for a resource that is gone and for one that may
// not be seen, and 400 for what is no OCID, which cannot exist: exists is false only if the
// compartment can be read at the same time, and err is that of the compartment if not even that is
// allowed.
func Observe(ctx context.Context, c observer, id string) (instance oci.Instance, exists bool, err error) {
	instance, err = c.GetInstance(ctx, id)
	if err == nil {
		return instance, true, nil
	}
	if !cloud.IsKind(err, cloud.NotFoundOrUnauthorized, cloud.InvalidRequest) {
		return oci.Instance{}, false, err
	}
	if probe := c.ProbeCompartment(ctx); probe != nil {
		return oci.Instance{}, false, probe
	}
	return oci.Instance{}, false, nil
}

// Removal is the progress of an instance's termination.
type Removal struct {
	// State is OCI's of the instance; empty once it is not even listed.
	State oci.LifecycleState
	// Gone is set once the instance is gone, on evidence.
	Gone bool
}

// Remove asks for the instance's termination, unless that was done, and returns its progress. It
// does not wait.
func Remove(ctx context.Context, c remover, own ownership.Proof) (Removal, error) {
	instance, exists, err := Observe(ctx, c, own.ID())
	switch {
	case err != nil:
		return Removal{}, err
	case !exists:
		return Removal{Gone: true}, nil
	}
	return End(ctx, c, own, instance.State)
}

// End is Remove for an instance seen in the state.
func End(ctx context.Context, c terminator, own ownership.Proof, state oci.LifecycleState) (Removal, error) {
	switch state {
	case oci.StateTerminated:
		return Removal{State: state, Gone: true}, nil
	case oci.StateTerminating:
		return Removal{State: state}, nil
	}
	err := c.TerminateInstance(ctx, own)
	if cloud.IsKind(err, cloud.Conflict) {
		// OCI refuses to terminate an instance in the middle of another change; the next pass asks
		// again.
		return Removal{State: state}, nil
	}
	return Removal{State: oci.StateTerminating}, err
}

// Volumes says which volumes to look for after an instance is gone.
type Volumes struct {
	// Instance is proven; AvailabilityDomain is where it was.
	Instance           ownership.Proof
	AvailabilityDomain string
	// Data are the data volumes to delete with it, from Leaving and as recorded in status.
	Data []ownership.Proof
	// GoneSince is the time from which OCI's lists count: an earlier list may predate the end of
	// the instance, or its launch.
	GoneSince time.Time
	// Age is how old a list may be besides: a caller waiting for the end of volumes needs newer
	// ones.
	Age time.Duration
}

// RemoveVolumes deletes volumes left behind by their instance and tells whether all are gone.
// TerminateInstance deletes them too; this is for launches and terminations OCI did not finish.
func RemoveVolumes(ctx context.Context, c remover, volumes Volumes) (gone bool, err error) {
	boots, err := c.BootVolumesOf(ctx, volumes.AvailabilityDomain, volumes.Instance.ID(), volumes.GoneSince, volumes.Age)
	if err != nil {
		return false, err
	}
	for _, boot := range boots {
		if boot.State != oci.StateAvailable {
			continue
		}
		if err := unlessGone(c.DeleteBootVolume(ctx, volumes.Instance.Part(boot.ID))); err != nil {
			return false, err
		}
	}
	gone, err = removeData(ctx, c, volumes)
	return gone && len(boots) == 0, err
}

func removeData(ctx context.Context, c remover, volumes Volumes) (gone bool, err error) {
	if len(volumes.Data) == 0 {
		return true, nil
	}
	listed, err := c.DataVolumesSince(ctx, volumes.GoneSince, volumes.Age)
	if err != nil {
		return false, err
	}
	gone = true
	for _, volume := range listed {
		i := slices.IndexFunc(volumes.Data, func(p ownership.Proof) bool { return p.ID() == volume.ID })
		if i < 0 {
			continue
		}
		gone = false
		if volume.State != oci.StateAvailable {
			continue
		}
		if err := unlessGone(c.DeleteDataVolume(ctx, volumes.Data[i])); err != nil {
			return false, err
		}
	}
	return gone, nil
}

func unlessGone(err error) error {
	if cloud.IsKind(err, cloud.Conflict, cloud.NotFoundOrUnauthorized) {
		return nil
	}
	return err
}
