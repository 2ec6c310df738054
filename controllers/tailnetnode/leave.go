// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// FindToRemove finds the device of an object that goes, by a list of the age at most, and those of
// its name that stay.
func (s Statuses) FindToRemove(
	ctx context.Context, c Client, of Claimant, claim ownership.DeviceClaim, age time.Duration,
) (Found, error) {
	list, err := c.RecentDevices(ctx, age)
	if err != nil {
		return Found{}, err
	}
	recorded := claim.Recorded.ID
	if recorded != "" && !list.Has(recorded) {
		// The list may be older than the device, and the number be another device's by now.
		device, err := c.Device(ctx, recorded)
		switch {
		case err == nil:
			list = list.With(device)
		case !tailnet.IsNotFound(err):
			return Found{}, err
		}
	}
	return s.Find(ctx, c, list, of, claim)
}

// ProveRecorded asks for the device that the claim has recorded. The proof is zero if it is gone,
// or if another one has its number.
func ProveRecorded(ctx context.Context, c Client, claim ownership.DeviceClaim) (ownership.Proof, error) {
	device, err := c.Device(ctx, claim.Recorded.ID)
	switch {
	case tailnet.IsNotFound(err):
		return ownership.Proof{}, nil
	case err != nil:
		return ownership.Proof{}, err
	}
	return claim.Judge(views([]tailnet.Device{device})).Proof, nil
}

// Remover removes devices.
type Remover interface {
	DeleteDevice(ctx context.Context, proof ownership.Proof) error
}

// Leave removes the device that was found, if it is proven, and tells in an event of what is left:
// devices that call themselves like the object and may be anybody's.
func Leave(ctx context.Context, c Remover, found Found, recorder events.EventRecorder, object runtime.Object) error {
	if !found.Proof.IsZero() {
		if err := c.DeleteDevice(ctx, found.Proof); err != nil {
			return err
		}
	}
	if len(found.Strangers) > 0 && recorder != nil {
		recorder.Eventf(object, nil, corev1.EventTypeWarning, "DeviceLeft", "Leave",
			"Left in the tailnet, since nothing proves that they were this machine's: %s; remove them if they were", strings.Join(found.Strangers, ", "))
	}
	return nil
}
