// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

const (
	ubuntu      = "Canonical Ubuntu"
	oracleLinux = "Oracle Linux"
)

// largerBootVolume is for platform images: their roots are known. Ubuntu's cloud-init grows
// partition and file system at every boot (cc_growpart, cc_resizefs); Oracle Linux has its root on
// LVM, which the node's agent grows. What an image of one's own has is not known.
func largerBootVolume(from, to infrav1.OCIMeshMachineSpec, agent bool) bool {
	before, after := from.BootVolume, to.BootVolume
	if after.SizeGB <= before.SizeGB || !growsVolumes(from) {
		return false
	}
	after.SizeGB = before.SizeGB
	if after != before {
		return false
	}
	return from.Image.Platform.OperatingSystem == ubuntu || (agent && hasKnownRoot(from))
}

func hasKnownRoot(spec infrav1.OCIMeshMachineSpec) bool {
	system := spec.Image.Platform.OperatingSystem
	return system == ubuntu || system == oracleLinux
}

// largerDataVolumes are the same ones in the same order, since their devices go by it. Only the
// node's agent has their file systems fill them.
func largerDataVolumes(from, to infrav1.OCIMeshMachineSpec, agent bool) bool {
	if !agent || len(from.DataVolumes) != len(to.DataVolumes) || !growsVolumes(from) {
		return false
	}
	larger := false
	for i, before := range from.DataVolumes {
		after := to.DataVolumes[i]
		if after.SizeGB < before.SizeGB {
			return false
		}
		larger = larger || after.SizeGB > before.SizeGB
		after.SizeGB = before.SizeGB
		if after != before {
			return false
		}
	}
	return larger
}

// growsVolumes is false for bare metal, whose volumes are attached in another way, and for
// preemptible machines.
func growsVolumes(spec infrav1.OCIMeshMachineSpec) bool {
	return !spec.IsPreemptible() &&
		!slices.ContainsFunc(spec.Shapes, func(s infrav1.Shape) bool { return strings.HasPrefix(s.Name, "BM.") })
}

// VolumesDiffer tells whether the agent may matter for the volumes of two specs.
func VolumesDiffer(current, desired map[string]any) (bool, error) {
	from, err := decoded(current)
	if err != nil {
		return false, fmt.Errorf("reading the current spec: %w", err)
	}
	to, err := decoded(desired)
	if err != nil {
		return false, fmt.Errorf("reading the desired spec: %w", err)
	}
	return largerBootVolume(from, to, true) || largerDataVolumes(from, to, true), nil
}

// Volume is where a volume is mounted, and the size that its file system is to fill.
type Volume struct {
	Path string
	GB   int32
}

// Volumes are those of a machine with a size in its spec.
type Volumes []Volume

// VolumesOf are the boot volume, if the spec has a size for it and its root can be grown, and the
// data volumes.
func VolumesOf(spec infrav1.OCIMeshMachineSpec) Volumes {
	var out Volumes
	if spec.BootVolume.SizeGB > 0 && hasKnownRoot(spec) {
		out = append(out, Volume{"/", spec.BootVolume.SizeGB})
	}
	for _, volume := range spec.DataVolumes {
		out = append(out, Volume{volume.MountPath, volume.SizeGB})
	}
	return out
}

// String is what the Node asks its agent for.
func (v Volumes) String() string {
	words := make([]string, 0, len(v))
	for _, volume := range v {
		words = append(words, fmt.Sprintf("%s=%d", volume.Path, volume.GB))
	}
	return strings.Join(words, " ")
}

// VolumesReport is what a node's agent says of the volumes.
type VolumesReport struct {
	// full are the sizes of the volumes that their file systems fill, by path; left are those of
	// volumes that somebody has laid out in another way, which the agent leaves alone.
	full, left map[string]int64
	// Problem says why others are not.
	Problem string
}

// VolumesReportOf reads what the agent wrote: words PATH=GB or PATH=GB:left, and a reason after the
// word failed.
func VolumesReportOf(text string) VolumesReport {
	out := VolumesReport{full: map[string]int64{}, left: map[string]int64{}}
	words := strings.Fields(text)
	for i, word := range words {
		if word == Failed {
			out.Problem = strings.Join(words[i+1:], " ")
			break
		}
		path, size, _ := strings.Cut(word, "=")
		into := out.full
		if of, left := strings.CutSuffix(size, ":left"); left {
			size, into = of, out.left
		}
		if gb, err := strconv.ParseInt(size, 10, 64); err == nil {
			into[path] = gb
		}
	}
	return out
}

// Lacking are the volumes that are not as large as wanted yet, or whose file systems do not fill
// them. Nobody waits for those that the agent leaves alone, once they are as large.
func (r VolumesReport) Lacking(wanted Volumes) Volumes {
	return r.without(wanted, r.full, r.left)
}

// Left are the volumes that are as large as wanted, and that people have to fill.
func (r VolumesReport) Left(wanted Volumes) Volumes {
	return slices.DeleteFunc(r.without(wanted, r.full), func(v Volume) bool { return r.left[v.Path] < int64(v.GB) })
}

func (VolumesReport) without(wanted Volumes, sizes ...map[string]int64) Volumes {
	var out Volumes
	for _, volume := range wanted {
		if !slices.ContainsFunc(sizes, func(of map[string]int64) bool { return of[volume.Path] >= int64(volume.GB) }) {
			out = append(out, volume)
		}
	}
	return out
}
