// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// Fields by which objects are found that have recorded a device or its hostname. The API server
// knows them too: they are selectable fields of the CRDs.
const (
	ByDevice   = "status.tailnet.deviceID"
	ByHostname = "status.tailnet.hostname"
)

// Object is an object that may have a device.
type Object interface {
	client.Object
	// GetTailnetDevice is what its status says of the device.
	GetTailnetDevice() infrav1.TailnetDeviceStatus
}

// Claimant is an object that looks for its device in a tailnet.
type Claimant struct {
	client.Object
	// Tailnet is the name of the Tailnet.
	Tailnet string
}

// Statuses knows which devices objects have recorded.
type Statuses struct {
	// Client reads from a cache with the two fields as indexes, or from the API server.
	Client client.Reader
	// Others are lists of the kinds of objects that have devices, besides OCIMeshMachine.
	Others []client.ObjectList
}

// refuse says why an object may not have a device that fits; nil if it may. Users can give an
// object the identity, and with that the hostname, of another, so that the same device fits both.
func (s Statuses) refuse(ctx context.Context, of Claimant, device tailnet.Device) (*Finding, error) {
	recorded, err := s.with(ctx, ByDevice, device.ID)
	if err != nil {
		return nil, err
	}
	named, err := s.with(ctx, ByHostname, device.Hostname)
	if err != nil {
		return nil, err
	}
	for _, other := range append(recorded, named...) {
		status := other.GetTailnetDevice()
		here, err := s.sameServer(ctx, of.Tailnet, status.Name)
		if err != nil {
			return nil, err
		}
		switch {
		case other.GetUID() == of.GetUID(), !here:
		case RecordedIn(status).Is(device.ID, device.Created):
			return finding(infrav1.DeviceAmbiguousReason,
				"Device %s calls itself like the machine and is another machine's: nothing is done with it; "+
					"rename that device, or delete the machine that has its name", device.Name), nil
		case status.DeviceID == "" && (!isOriginal(of) || isOriginal(other)):
			return finding(infrav1.DeviceAmbiguousReason,
				"Device %s could be this machine's or another's that waits for a device of the same name: nothing is done with it; "+
					"delete the machine whose annotation %s was copied", device.Name, infrav1.IdentityAnnotation), nil
		}
	}
	return nil, nil
}

// sameServer tells whether two Tailnet objects are of one coordination server: each vipRange has
// one of its own. Identifiers count nowhere else. A status without a name is of before there were
// several.
func (s Statuses) sameServer(ctx context.Context, one, other string) (bool, error) {
	if other == "" || other == one {
		return true, nil
	}
	var found [2]infrav1.Tailnet
	for i, name := range []string{one, other} {
		if err := s.Client.Get(ctx, client.ObjectKey{Name: name}, &found[i]); err != nil {
			if apierrors.IsNotFound(err) {
				return false, nil
			}
			return false, fmt.Errorf("reading Tailnet %s: %w", name, err)
		}
	}
	return SameServer(&found[0], &found[1]), nil
}

// isOriginal tells whether the object's identity is its own UID: it was neither moved, nor given
// another's.
func isOriginal(object client.Object) bool { return types.UID(identity.Of(object)) == object.GetUID() }

// with are the objects of all kinds that have the value in the field.
func (s Statuses) with(ctx context.Context, field, value string) ([]Object, error) {
	lists := []client.ObjectList{&infrav1.OCIMeshMachineList{}}
	for _, other := range s.Others {
		list, ok := other.DeepCopyObject().(client.ObjectList)
		if ok {
			lists = append(lists, list)
		}
	}
	var found []Object
	for _, list := range lists {
		if err := s.Client.List(ctx, list, client.MatchingFields{field: value}); err != nil {
			return nil, fmt.Errorf("listing the objects with %s %s: %w", field, value, err)
		}
		err := meta.EachListItem(list, func(item runtime.Object) error {
			if object, ok := item.(Object); ok {
				found = append(found, object)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Kinds are the kinds of objects that have devices: OCIMeshMachine, and those of the lists.
func Kinds(scheme *runtime.Scheme, others []client.ObjectList) ([]Object, error) {
	kinds := []Object{&infrav1.OCIMeshMachine{}}
	for _, list := range others {
		gvk, err := apiutil.GVKForObject(list, scheme)
		if err != nil {
			return nil, err
		}
		gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
		made, err := scheme.New(gvk)
		if err != nil {
			return nil, err
		}
		kind, ok := made.(Object)
		if !ok {
			return nil, fmt.Errorf("%s has no device", gvk.Kind)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// AddTo has the cache find objects of a kind by their devices. It is called once for each kind and
// manager.
func AddTo(ctx context.Context, indexer client.FieldIndexer, kind Object) error {
	for field, value := range map[string]func(infrav1.TailnetDeviceStatus) string{
		ByDevice:   func(status infrav1.TailnetDeviceStatus) string { return status.DeviceID },
		ByHostname: func(status infrav1.TailnetDeviceStatus) string { return status.Hostname },
	} {
		err := indexer.IndexField(ctx, kind, field, func(object client.Object) []string {
			of, ok := object.(Object)
			if !ok || value(of.GetTailnetDevice()) == "" {
				return nil
			}
			return []string{value(of.GetTailnetDevice())}
		})
		if err != nil {
			return fmt.Errorf("indexing %T by %s: %w", kind, field, err)
		}
	}
	return nil
}
