// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/cluster-api/util/conditions"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/strays"
)

const (
	// deviceLooks and keyLooks are how many lists must have shown something without an object
	// before it counts as a stray. Keys are listed once an hour.
	deviceLooks = 3
	keyLooks    = 2
	// sharedAge is how old a list of keys may be that others have read.
	sharedAge = time.Minute
	// maxID, maxHostname and maxDescription are the API's limits.
	maxID          = 64
	maxHostname    = 255
	maxDescription = 64
)

// straysSeen are what new lists have shown.
type straysSeen struct {
	devices map[string]tailnet.Device
	// keys are nil if they were not listed.
	keys map[string]tailnet.Key
	// held names a paused cluster, if one of the devices may be a machine's of it that has not
	// recorded any.
	held string
}

// strays finds the devices with this provider's tags and the keys with its description that belong
// to no object: the devices from the list that the check has just read, the keys once with each
// full check. It removes nothing, since they may be another management cluster's.
func (r *Reconciler) strays(ctx context.Context, s *scope) error {
	seen := &straysSeen{devices: map[string]tailnet.Device{}}
	for _, look := range []func(context.Context, *scope, *straysSeen) error{r.strayDevices, r.strayKeys} {
		err := look(ctx, s, seen)
		if apierrors.IsForbidden(err) {
			// What may not be seen may well be there.
			ctrl.LoggerFrom(ctx).V(2).Info("Cannot tell strays without reading the objects of all namespaces", "message", err.Error())
			return nil
		}
		if err != nil {
			return err
		}
	}
	s.strays = seen
	return nil
}

func (r *Reconciler) strayDevices(ctx context.Context, s *scope, seen *straysSeen) error {
	uid := s.tailnet.UID
	devices, began := s.client.KnownDevices()
	for _, device := range devices {
		if tagged(device, s.tailnet) {
			seen.devices[device.ID] = device
		}
	}
	if began.IsZero() {
		return nil
	}
	recorded, err := r.recordedDevices(ctx, s.tailnet, seen.devices)
	if err != nil {
		return err
	}
	hold := func(id string) bool { return recorded.mayBePaused(seen.devices[id]) }
	var ids []string
	for id, device := range seen.devices {
		if recorded.have(device) {
			continue
		}
		ids = append(ids, id)
		if hold(id) {
			seen.held = recorded.paused
		}
	}
	ask := r.deviceWatch.Look(uid, began, strays.Policy{Looks: deviceLooks, Age: r.Options.withDefaults().StrayAfter, Hold: hold}, ids)
	if len(ask) == 0 {
		return nil
	}
	now, err := r.recordedByServer(ctx, s.tailnet)
	if err != nil {
		return err
	}
	for _, id := range ask {
		if now.have(seen.devices[id]) {
			r.deviceWatch.Owned(uid, id)
		} else {
			r.deviceWatch.Alone(uid, id, began)
		}
	}
	return nil
}

// tagged tells whether a device has all tags of nodes or all of control planes. Others are somebody
// else's, whatever they call themselves.
func tagged(device tailnet.Device, tn *infrav1.Tailnet) bool {
	return slices.ContainsFunc([][]string{tn.Spec.NodeTags, tn.Spec.ControlPlaneTags}, func(tags []string) bool {
		return len(tags) > 0 && !slices.ContainsFunc(tags, func(tag string) bool { return !slices.Contains(device.Tags, tag) })
	})
}

func (r *Reconciler) strayKeys(ctx context.Context, s *scope, seen *straysSeen) error {
	if !s.full {
		return nil
	}
	began := time.Now()
	keys, err := s.client.UsableKeys(ctx, sharedAge)
	if err != nil {
		// That is the condition CredentialsValid's, at the next check at the latest.
		ctrl.LoggerFrom(ctx).Info("Cannot list the tailnet's keys", "message", err.Error())
		return nil
	}
	seen.keys = map[string]tailnet.Key{}
	for _, key := range keys {
		if strings.HasPrefix(key.Description, keyPrefix) && key.Expires.After(began) {
			seen.keys[key.ID] = key
		}
	}
	described, err := r.describedKeys(ctx, seen.keys)
	if err != nil {
		return err
	}
	var ids []string
	for id, key := range seen.keys {
		if !described[key.Description] {
			ids = append(ids, id)
		}
	}
	for _, id := range r.keyWatch.Look(s.tailnet.UID, began, strays.Policy{Looks: keyLooks, Age: r.Options.withDefaults().StrayAfter}, ids) {
		// The objects were read from the API server, after the keys.
		r.keyWatch.Alone(s.tailnet.UID, id, began)
	}
	return nil
}

// updateStrays writes status and condition, and tells of a change. What was not looked at stays as
// it is.
func (r *Reconciler) updateStrays(s *scope) {
	if s.strays == nil {
		if conditions.Get(s.tailnet, infrav1.StraysAbsentCondition) == nil {
			conditions.Set(s.tailnet, strays.NotLookedAt())
		}
		return
	}
	before := s.tailnet.Status.Strays
	status := infrav1.TailnetStrays{KeyCount: before.KeyCount, Keys: before.Keys}
	toldDevices, toldKeys := told(before)
	devices, deviceCount, possibleDevices := r.deviceWatch.All(s.tailnet.UID, toldDevices)
	keys, keyCount, possibleKeys := r.keyWatch.All(s.tailnet.UID, toldKeys)
	status.DeviceCount, status.Devices = strays.Count(deviceCount), devicesStatus(devices, s.strays.devices)
	if s.strays.keys != nil {
		status.KeyCount, status.Keys = strays.Count(keyCount), keysStatus(keys, s.strays.keys)
	}
	finding := strays.Finding{
		Count: total(status), Suspects: possibleDevices + possibleKeys,
		Found:     foundMessage(s.tailnet, status),
		Suspected: suspectedMessage(possibleDevices, possibleKeys, s.strays.held),
	}
	s.tailnet.Status.Strays = status
	conditions.Set(s.tailnet, finding.Condition())
	strays.Announce(r.Recorder, s.tailnet, total(before), total(status), finding.Found)
}

// told are the strays in a status, devices and keys.
func told(status infrav1.TailnetStrays) (devices, keys strays.Told) {
	devices = strays.Told{Count: int(ptr.Deref(status.DeviceCount, 0)), Named: map[string]time.Time{}}
	keys = strays.Told{Count: int(ptr.Deref(status.KeyCount, 0)), Named: map[string]time.Time{}}
	for _, device := range status.Devices {
		devices.Named[device.ID] = device.Since.Time
	}
	for _, key := range status.Keys {
		keys.Named[key.ID] = key.Since.Time
	}
	return devices, keys
}

func total(status infrav1.TailnetStrays) int {
	return int(ptr.Deref(status.DeviceCount, 0)) + int(ptr.Deref(status.KeyCount, 0))
}

func devicesStatus(found []strays.Stray, devices map[string]tailnet.Device) (named []infrav1.StrayDevice) {
	for _, stray := range found {
		if len(named) < strays.Named && strays.IsID(stray.ID, maxID) {
			named = append(named, infrav1.StrayDevice{
				ID: stray.ID, Hostname: strays.Text(devices[stray.ID].Hostname, maxHostname), Since: metav1.NewTime(stray.Since),
			})
		}
	}
	return named
}

func keysStatus(found []strays.Stray, keys map[string]tailnet.Key) (named []infrav1.StrayKey) {
	for _, stray := range found {
		if len(named) < strays.Named && strays.IsID(stray.ID, maxID) {
			named = append(named, infrav1.StrayKey{
				ID: stray.ID, Description: strays.Text(keys[stray.ID].Description, maxDescription), Since: metav1.NewTime(stray.Since),
			})
		}
	}
	return named
}

// foundMessage has the commands before the names: what is too long is cut at the end.
func foundMessage(tn *infrav1.Tailnet, status infrav1.TailnetStrays) string {
	var commands, names []string
	if ptr.Deref(status.DeviceCount, 0) > 0 {
		id := "ID"
		for i, device := range status.Devices[:min(namedInMessage, len(status.Devices))] {
			if i == 0 {
				id = device.ID
			}
			names = append(names, fmt.Sprintf("device %s (%s)", device.ID, strays.Text(device.Hostname, width)))
		}
		commands = append(commands, "a device: "+removeDevice(tn, id))
	}
	if ptr.Deref(status.KeyCount, 0) > 0 {
		id := "ID"
		for i, key := range status.Keys[:min(namedInMessage, len(status.Keys))] {
			if i == 0 {
				id = key.ID
			}
			names = append(names, fmt.Sprintf("key %s (%s)", key.ID, strays.Text(key.Description, width)))
		}
		commands = append(commands, "a key: "+removeKey(tn, id))
	}
	if more := total(status) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more in status.strays", more))
	}
	return fmt.Sprintf("%s with this provider's tags or description and no object in this management cluster. Nothing is removed by "+
		"itself, since another management cluster's look the same. %s If nobody needs them, remove %s. Found: %s",
		counted(total(status)), lookAt(tn), strings.Join(commands, ", "), strings.Join(names, ", "))
}

// namedInMessage and width bound what the message says of each kind; the status has all of it.
const (
	namedInMessage = 2
	width          = 40
)

func suspectedMessage(devices, keys int, paused string) string {
	if paused != "" {
		return fmt.Sprintf("%s with this provider's tags and no object that has recorded them. Cluster %s is paused, and its machines' "+
			"devices are not recorded yet: they are checked again once it goes on", counted(devices+keys), paused)
	}
	return fmt.Sprintf("%s with this provider's tags or description and no object in this management cluster: counted as strays if that "+
		"stays so for the next lists, of which devices have one in five minutes and keys one in an hour", counted(devices+keys))
}

func counted(n int) string {
	if n == 1 {
		return "There is 1 device or key"
	}
	return fmt.Sprintf("There are %d devices and keys", n)
}
