// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/shared"
)

// sharedWait is how long a caller waits for a list being read by another: short, so a slow account
// leaves workers to others.
const sharedWait = 500 * time.Millisecond

// sharedVolumes are lists of volumes shared by all callers.
type sharedVolumes struct {
	data *shared.List[[]Volume]

	mu sync.Mutex
	// boot are the boot volumes of each availability domain.
	boot map[string]*sharedBootVolumes
}

// sharedBootVolumes are an availability domain's boot volumes, and whose they are.
type sharedBootVolumes struct {
	volumes     *shared.List[[]Volume]
	attachments *shared.List[bootAttachments]
}

// bootAttachments are boot volumes and their instances.
type bootAttachments struct {
	// of are the volumes attached to each instance, now or formerly.
	of map[string][]string
	// to is the instance that a volume was attached to when the list was read.
	to map[string]string
}

func newSharedVolumes() *sharedVolumes {
	return &sharedVolumes{data: newSharedList[[]Volume](), boot: map[string]*sharedBootVolumes{}}
}

func newSharedList[T any]() *shared.List[T] {
	return &shared.List[T]{Wait: func(time.Duration) time.Duration { return sharedWait }}
}

func (s *sharedVolumes) bootIn(availabilityDomain string) *sharedBootVolumes {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.boot[availabilityDomain] == nil {
		s.boot[availabilityDomain] = &sharedBootVolumes{volumes: newSharedList[[]Volume](), attachments: newSharedList[bootAttachments]()}
	}
	return s.boot[availabilityDomain]
}

// BootVolumesOf lists the boot volumes attached now or formerly to an instance of the availability
// domain that has ended, except TERMINATED ones, from lists shared by all callers. The lists were
// begun at or after since, when the instance had ended, and the one of volumes is not older than
// age, or only by the time it takes to read it. OCI keeps attachments for a while after the
// instance is terminated.
//
// Attachments are not listed if an earlier list had each volume that there is now at an instance of
// its own, or at this one: nothing is left to be attributed.
func (c *Client) BootVolumesOf(
	ctx context.Context, availabilityDomain, instanceID string, since time.Time, age time.Duration,
) ([]Volume, error) {
	boot := c.volumes.bootIn(availabilityDomain)
	listed, err := sinceShared(ctx, boot.volumes, operation{service: serviceBlockstorage, name: "ListBootVolumes"},
		newest(boot.volumes, since, age),
		func(ctx context.Context) ([]Volume, error) { return c.bootVolumes(ctx, availabilityDomain) })
	if err != nil {
		return nil, err
	}
	attached, _ := boot.attachments.Latest()
	if slices.ContainsFunc(listed, func(v Volume) bool { return attached.to[v.ID] == "" }) {
		if attached, err = c.bootAttachmentsSince(ctx, availabilityDomain, since); err != nil {
			return nil, err
		}
	}
	var left []Volume
	for _, volume := range listed {
		if slices.Contains(attached.of[instanceID], volume.ID) {
			left = append(left, volume)
		}
	}
	return left, nil
}

// LearnBootVolumes lists the attachments of an availability domain's boot volumes, so that
// BootVolumesOf knows whose they are once one of the instances has ended.
func (c *Client) LearnBootVolumes(ctx context.Context, availabilityDomain string) error {
	_, err := c.bootAttachmentsSince(ctx, availabilityDomain, time.Now())
	return err
}

// bootAttachmentsSince are an availability domain's attachments, from a list begun at or after
// since: what has ended by then is attached to nothing later.
func (c *Client) bootAttachmentsSince(ctx context.Context, availabilityDomain string, since time.Time) (bootAttachments, error) {
	return sinceShared(ctx, c.volumes.bootIn(availabilityDomain).attachments,
		operation{service: serviceCompute, name: "ListBootVolumeAttachments"}, since,
		func(ctx context.Context) (bootAttachments, error) {
			items, err := c.bootVolumeAttachments(ctx, availabilityDomain)
			out := bootAttachments{of: map[string][]string{}, to: map[string]string{}}
			for _, item := range items {
				volume, instance := value(item.BootVolumeId), value(item.InstanceId)
				out.of[instance] = append(out.of[instance], volume)
				switch item.LifecycleState {
				case core.BootVolumeAttachmentLifecycleStateAttaching, core.BootVolumeAttachmentLifecycleStateAttached:
					out.to[volume] = instance
				}
			}
			return out, err
		})
}

// DataVolumesSince is DataVolumes from a list shared by all callers, for reading only; since and
// age are as in BootVolumesOf.
func (c *Client) DataVolumesSince(ctx context.Context, since time.Time, age time.Duration) ([]Volume, error) {
	return sinceShared(ctx, c.volumes.data, operation{service: serviceBlockstorage, name: "ListVolumes"},
		newest(c.volumes.data, since, age), c.DataVolumes)
}

// newest is since, or when a list of the age was begun if that is later.
func newest[T any](list *shared.List[T], since time.Time, age time.Duration) time.Time {
	if recent := list.NotBefore(age); since.Before(recent) {
		return recent
	}
	return since
}

// sinceShared reads a shared list, with the package's errors.
func sinceShared[T any](
	ctx context.Context, list *shared.List[T], op operation, since time.Time, read func(context.Context) (T, error),
) (T, error) {
	value, err := list.Since(ctx, since, read)
	var known *cloud.Error
	if err == nil || errors.As(err, &known) {
		return value, err
	}
	return value, &cloud.Error{
		Kind: cloud.Throttled, Service: op.service, Operation: op.name, NotSent: true, RetryAfter: max(2*busyWait, list.Took()),
		Message: "another call to the account reads the same list, this one waits for it", Err: err,
	}
}
