// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/inplace"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/workload"
)

// machineVolume is a volume of the machine as OCI has it, with the spec's size.
type machineVolume struct {
	oci.Volume
	what string
	gb   int32
}

type machineVolumes []machineVolume

// smaller is the first volume below the spec's size.
func (v machineVolumes) smaller() (machineVolume, bool) {
	for _, volume := range v {
		if volume.GB < int64(volume.gb) {
			return volume, true
		}
	}
	return machineVolume{}, false
}

func (v machineVolumes) hasBoot() bool {
	return slices.ContainsFunc(v, func(volume machineVolume) bool { return volume.Boot })
}

// needsAgent notes a volume unable to grow: it is absent, or nobody would fill it. Cluster API asks
// for no such change.
func (u *Instance) needsAgent(volumes machineVolumes) bool {
	if missing := u.missing(volumes); missing != "" {
		u.PutOff = true
		u.Pass.Note(infrav1.UpdatedCondition, infrav1.NodeUpdateFailedReason, "The %s is not attached to the instance as it was launched, and is not "+
			"grown: attach it again in OCI, or delete the Machine, and it is replaced", missing)
		return true
	}
	if HasAgent(u.Own) {
		return false
	}
	for _, volume := range volumes {
		if !volume.Boot && volume.GB < int64(volume.gb) {
			u.PutOff = true
			u.Pass.Note(infrav1.UpdatedCondition, infrav1.NodeUpdateFailedReason,
				"The %s is not grown in place, since the node has no agent to fill it: delete the Machine, and it is replaced", volume.what)
			return true
		}
	}
	return false
}

// missing is a volume to grow that the instance lacks: the spec asks for more than was granted, and
// the volumes at hand do not make up for it.
func (u *Instance) missing(volumes machineVolumes) string {
	wanted, granted := WantedSize(u.Own), u.Own.Status.Size
	boot, data := wanted.BootVolumeGB-granted.BootVolumeGB, wanted.DataVolumesGB-granted.DataVolumesGB
	for _, volume := range volumes {
		lacks := max(0, volume.gb-int32(volume.GB)) //nolint:gosec // OCI's largest has 32 TB.
		if volume.Boot {
			boot -= lacks
		} else {
			data -= lacks
		}
	}
	if boot > 0 && !volumes.hasBoot() {
		return "boot volume"
	}
	for _, volume := range u.Own.Spec.DataVolumes {
		what := dataVolume(volume)
		if data > 0 && !slices.ContainsFunc(volumes, func(v machineVolume) bool { return v.what == what }) {
			return what
		}
	}
	return ""
}

func dataVolume(volume infrav1.DataVolume) string { return "data volume " + volume.Name }

// volumes are those with a size in the spec, as OCI has them now. A detached data volume is not one
// of them: the node will report its lack.
func (u *Instance) volumes(ctx context.Context, c *oci.Client, seen oci.Instance) (machineVolumes, error) {
	var out machineVolumes
	if gb := u.Own.Spec.BootVolume.SizeGB; gb > 0 {
		volume, found, err := c.BootVolumeAt(ctx, seen.AvailabilityDomain, seen.ID)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, machineVolume{volume, "boot volume", gb})
		}
	}
	data, err := u.dataVolumes(ctx, c, seen.ID)
	return append(out, data...), err
}

// dataVolumes are those under their first names: a volume attached by a user in the place of one is
// not the machine's.
func (u *Instance) dataVolumes(ctx context.Context, c *oci.Client, instanceID string) (machineVolumes, error) {
	wanted := u.Own.Spec.DataVolumes
	if len(wanted) == 0 {
		return nil, nil
	}
	devices := make([]string, len(wanted))
	for i := range wanted {
		devices[i] = instance.Device(i)
	}
	attached, err := c.AttachedVolumes(ctx, instanceID, devices)
	if err != nil {
		return nil, err
	}
	named := map[string][]oci.AttachedVolume{}
	for _, volume := range attached {
		named[volume.DisplayName] = append(named[volume.DisplayName], volume)
	}
	var out machineVolumes
	for i, name := range u.VolumeNames {
		volume, found := instance.OnDevice(i, named[name], func(v oci.AttachedVolume) string { return v.Device })
		if found {
			out = append(out, machineVolume{volume.Volume, dataVolume(wanted[i]), wanted[i].SizeGB})
		}
	}
	return out, nil
}

// detached are the data volumes no longer attached, by their names. A name proves nothing, and
// nothing is done to them: the smallest of a name tells of missing growth.
func (u *Instance) detached(ctx context.Context, c *oci.Client, attached machineVolumes) (machineVolumes, error) {
	wanted := u.Own.Spec.DataVolumes
	if len(slices.DeleteFunc(slices.Clone(attached), func(v machineVolume) bool { return v.Boot })) == len(wanted) {
		return nil, nil
	}
	all, err := c.DataVolumes(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b oci.Volume) int { return int(a.GB - b.GB) })
	var out machineVolumes
	for i, name := range u.VolumeNames {
		what := dataVolume(wanted[i])
		at := slices.IndexFunc(all, func(v oci.Volume) bool { return v.DisplayName == name })
		if at >= 0 && !slices.ContainsFunc(attached, func(v machineVolume) bool { return v.what == what }) {
			out = append(out, machineVolume{all[at], what, wanted[i].SizeGB})
		}
	}
	return out, nil
}

// growVolume asks OCI for the size of the first smaller volume. OCI makes attached volumes larger
// (OCI documentation, "Resizing a Volume", "Online Resizing"), and only AVAILABLE ones.
func (u *Instance) growVolume(ctx context.Context, proof ownership.Proof, volumes machineVolumes) error {
	volume, _ := volumes.smaller()
	if volume.State != oci.StateAvailable {
		u.waitsForVolumes(machineVolumes{volume})
		return nil
	}
	grow := u.in.Client.GrowDataVolume
	if volume.Boot {
		grow = u.in.Client.GrowBootVolume
	}
	if _, err := grow(ctx, proof.Part(volume.ID), int64(volume.gb)); err != nil {
		if err := u.updateRefused(ctx, err); err != nil {
			return err
		}
		// Others may have the room until the next try.
		volumesSeen(u.Own, volumes)
		return nil
	}
	ctrl.LoggerFrom(ctx).Info("OCI is growing a volume", "volume", volume.ID, "from", volume.GB, "to", volume.gb)
	updating(u.Pass, u.Pass.Intervals.Progress, "Growing the %s from %d to %d GB", volume.what, volume.GB, volume.gb)
	u.Pass.Stop()
	return nil
}

// waitsForVolumes tells whether OCI is at one of the volumes, and notes it.
func (u *Instance) waitsForVolumes(volumes machineVolumes) bool {
	for _, volume := range volumes {
		if volume.State != oci.StateAvailable {
			updating(u.Pass, u.Pass.Intervals.Progress, "Waiting for the %s, which is %s, to be AVAILABLE", volume.what, volume.State)
			u.Pass.Stop()
			return true
		}
	}
	return false
}

// fillVolumes asks the node's agent for the sizes of the volumes, by an annotation of the Node,
// and tells what the agent says. OCI has made them larger by then.
func (n *Node) fillVolumes(ctx context.Context, nodes workload.Nodes, node *corev1.Node) error {
	wanted := inplace.VolumesOf(n.Own.Spec)
	if node.Annotations[infrav1.WantedVolumesAnnotation] != wanted.String() {
		if err := nodes.Annotate(ctx, node.Name, infrav1.WantedVolumesAnnotation, wanted.String()); err != nil {
			return err
		}
		if n.Recorder != nil {
			n.Recorder.Eventf(n.Own, nil, corev1.EventTypeNormal, "NodeUpdating", "Update", "Asked node %s to fill its volumes: %s", node.Name, wanted)
		}
	}
	said := inplace.VolumesReportOf(node.Annotations[infrav1.ReportedVolumesAnnotation])
	lacking := said.Lacking(wanted)
	switch {
	case len(lacking) == 0:
		// What else is to be done is seen by the next pass.
		update := &n.Own.Status.Update
		*update = infrav1.UpdateStatus{Generation: update.Generation, Attempt: update.Attempt}
		growSize(n.Own)
		updating(n.Pass, time.Second, "Node %s has filled its volumes", node.Name)
		if left := said.Left(wanted); len(left) > 0 && n.Recorder != nil {
			n.Recorder.Eventf(n.Own, nil, corev1.EventTypeWarning, "VolumeNotFilled", "Update",
				"OCI has grown the volumes, but node %s leaves %s to be filled by hand: %s", node.Name, left, report.Truncate(said.Problem, 500))
		}
	case said.Problem != "":
		n.Pass.Note(infrav1.UpdatedCondition, infrav1.NodeUpdateFailedReason,
			"OCI has grown the volumes, but node %s does not fill %s, and tries again: %s", node.Name, lacking, report.Truncate(said.Problem, 500))
		n.Pass.Requeue(n.Pass.Intervals.Progress)
	default:
		updating(n.Pass, n.Pass.Intervals.Progress, "Waiting for node %s to fill %s", node.Name, lacking)
	}
	return nil
}
