// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"slices"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// observer looks at one instance.
type observer interface {
	GetInstance(ctx context.Context, id string) (oci.Instance, error)
	ProbeCompartment(ctx context.Context) error
}

// terminator ends an instance.
type terminator interface {
	TerminateInstance(ctx context.Context, id string) error
}

// remover ends an instance and its volumes.
type remover interface {
	observer
	terminator
	BootVolumesOf(ctx context.Context, availabilityDomain, instanceID string, since time.Time, age time.Duration) ([]oci.Volume, error)
	DataVolumesSince(ctx context.Context, since time.Time, age time.Duration) ([]oci.Volume, error)
	DeleteVolume(ctx context.Context, volume oci.Volume) error
}

var (
	_ observer = (*oci.Client)(nil)
	_ remover  = (*oci.Client)(nil)
)

// Observe returns the instance. OCI answers 404 for what is gone and for what may not be seen: exists is false only if the
// compartment can be read at the same time, and err is the 404 itself if not even that is allowed.
func Observe(ctx context.Context, c observer, id string) (instance oci.Instance, exists bool, err error) {
	instance, err = c.GetInstance(ctx, id)
	if err == nil {
		return instance, true, nil
	}
	if !cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
		return oci.Instance{}, false, err
	}
	if probe := c.ProbeCompartment(ctx); probe != nil {
		return oci.Instance{}, false, probe
	}
	return oci.Instance{}, false, nil
}

// Removal is how far the end of an instance is.
type Removal struct {
	// State is OCI's of the instance; empty once it is not even listed.
	State oci.LifecycleState
	// Gone says that the instance is gone, on evidence.
	Gone bool
}

// Remove asks for the instance's end, unless that was done, and looks how far it is. It does not wait.
func Remove(ctx context.Context, c remover, id string) (Removal, error) {
	instance, exists, err := Observe(ctx, c, id)
	switch {
	case err != nil:
		return Removal{}, err
	case !exists:
		return Removal{Gone: true}, nil
	}
	return End(ctx, c, instance)
}

// End is Remove for an instance that was seen.
func End(ctx context.Context, c terminator, instance oci.Instance) (Removal, error) {
	switch instance.State {
	case oci.StateTerminated:
		return Removal{State: instance.State, Gone: true}, nil
	case oci.StateTerminating:
		return Removal{State: instance.State}, nil
	}
	err := c.TerminateInstance(ctx, instance.ID)
	if cloud.IsKind(err, cloud.Conflict) {
		// OCI refuses to terminate an instance in the middle of another change; the next pass asks again.
		return Removal{State: instance.State}, nil
	}
	return Removal{State: oci.StateTerminating}, err
}

// Volumes are what to look for after an instance is gone.
type Volumes struct {
	// InstanceID and AvailabilityDomain are the instance's.
	InstanceID, AvailabilityDomain string
	// DataNames are the display names of the data volumes that the provider made: see VolumeName. Others were attached by
	// somebody else and stay.
	DataNames []string
	// GoneSince is from when on OCI's lists count: what was listed before may be of an instance that was not gone, or not there yet.
	GoneSince time.Time
	// Age is how old a list may be besides: who waits for volumes to be gone has to see newer ones.
	Age time.Duration
}

// RemoveVolumes deletes volumes that outlived their instance and tells whether all are gone. TerminateInstance takes them
// along; this is for the launches and terminations that OCI did not finish.
func RemoveVolumes(ctx context.Context, c remover, volumes Volumes) (gone bool, err error) {
	left, err := volumes.left(ctx, c)
	if err != nil {
		return false, err
	}
	for _, volume := range left {
		if volume.State != oci.StateAvailable {
			continue
		}
		err := c.DeleteVolume(ctx, volume)
		if err != nil && !cloud.IsKind(err, cloud.Conflict, cloud.NotFoundOrUnauthorized) {
			return false, err
		}
	}
	return len(left) == 0, nil
}

// left lists the machine's volumes that still exist.
func (v Volumes) left(ctx context.Context, c remover) ([]oci.Volume, error) {
	boots, err := c.BootVolumesOf(ctx, v.AvailabilityDomain, v.InstanceID, v.GoneSince, v.Age)
	if err != nil || len(v.DataNames) == 0 {
		return boots, err
	}
	left := slices.Clone(boots)
	data, err := c.DataVolumesSince(ctx, v.GoneSince, v.Age)
	if err != nil {
		return nil, err
	}
	for _, volume := range data {
		if slices.Contains(v.DataNames, volume.DisplayName) {
			left = append(left, volume)
		}
	}
	return left, nil
}
