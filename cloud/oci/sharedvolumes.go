// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"sync"
	"time"

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
	// boot are the boot volumes by present or former instance, a list for each availability domain.
	boot map[string]*shared.List[map[string][]Volume]
}

func newSharedVolumes() *sharedVolumes {
	return &sharedVolumes{data: newSharedList[[]Volume](), boot: map[string]*shared.List[map[string][]Volume]{}}
}

func newSharedList[T any]() *shared.List[T] {
	return &shared.List[T]{Wait: func(time.Duration) time.Duration { return sharedWait }}
}

func (s *sharedVolumes) bootOf(availabilityDomain string) *shared.List[map[string][]Volume] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.boot[availabilityDomain] == nil {
		s.boot[availabilityDomain] = newSharedList[map[string][]Volume]()
	}
	return s.boot[availabilityDomain]
}

// BootVolumesOf lists the boot volumes attached now or formerly to an instance of the availability
// domain, except TERMINATED ones, from lists shared by all callers. The lists were begun at or
// after since and are not older than age, or only by the time it takes to read them. OCI keeps
// attachments for a while after the instance is terminated.
func (c *Client) BootVolumesOf(
	ctx context.Context, availabilityDomain, instanceID string, since time.Time, age time.Duration,
) ([]Volume, error) {
	byInstance, err := sinceShared(ctx, c.volumes.bootOf(availabilityDomain), operation{service: serviceBlockstorage, name: "ListBootVolumes"}, since, age,
		func(ctx context.Context) (map[string][]Volume, error) {
			return c.attachedBootVolumes(ctx, availabilityDomain)
		})
	return byInstance[instanceID], err
}

// DataVolumesSince is DataVolumes from a list shared by all callers, for reading only; since and
// age are as in BootVolumesOf.
func (c *Client) DataVolumesSince(ctx context.Context, since time.Time, age time.Duration) ([]Volume, error) {
	return sinceShared(ctx, c.volumes.data, operation{service: serviceBlockstorage, name: "ListVolumes"}, since, age, c.DataVolumes)
}

// attachedBootVolumes are an availability domain's boot volumes by present or former instance.
func (c *Client) attachedBootVolumes(ctx context.Context, availabilityDomain string) (map[string][]Volume, error) {
	attachments, err := c.bootVolumeAttachments(ctx, availabilityDomain)
	if err != nil {
		return nil, err
	}
	volumes, err := c.bootVolumes(ctx, availabilityDomain)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]Volume, len(volumes))
	for _, volume := range volumes {
		byID[volume.ID] = volume
	}
	byInstance := map[string][]Volume{}
	for _, attachment := range attachments {
		if volume, exists := byID[value(attachment.BootVolumeId)]; exists {
			owner := value(attachment.InstanceId)
			byInstance[owner] = append(byInstance[owner], volume)
		}
	}
	return byInstance, nil
}

// sinceShared reads a shared list, with the package's errors.
func sinceShared[T any](
	ctx context.Context, list *shared.List[T], op operation, since time.Time, age time.Duration,
	read func(context.Context) (T, error),
) (T, error) {
	if recent := list.NotBefore(age); since.Before(recent) {
		since = recent
	}
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
