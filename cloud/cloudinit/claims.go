// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
)

// diskConfig is what of a cloud-config is about disks. cloud-init does it before our script runs
// (cc_disk_setup and cc_mounts are of its init stage).
type diskConfig struct {
	DiskSetup  map[string]yaml.Node `yaml:"disk_setup"`
	FileSystem []struct {
		Device string `yaml:"device"`
	} `yaml:"fs_setup"`
	Mounts [][]yaml.Node `yaml:"mounts"`
}

// checkClaims refuses bootstrap data in which cloud-init partitions, formats or mounts a data
// volume of the machine, or mounts something else in its place: the node's script does not touch
// what is not blank, and would wait for ever. Data that is not YAML is left to others to refuse.
func (in Input) checkClaims() error {
	if len(in.DataVolumes) == 0 {
		return nil
	}
	text, _, err := plainConfig(in.Bootstrap)
	var config diskConfig
	if err != nil || yaml.Unmarshal([]byte(text), &config) != nil {
		return nil
	}
	for _, v := range in.DataVolumes {
		for device := range config.DiskSetup {
			if v.isOn(device) {
				return v.claimed("disk_setup")
			}
		}
		for _, fileSystem := range config.FileSystem {
			if v.isOn(fileSystem.Device) {
				return v.claimed("fs_setup")
			}
		}
		for _, mount := range config.Mounts {
			if len(mount) > 0 && v.isOn(mount[0].Value) || len(mount) > 1 && path.Clean(mount[1].Value) == path.Clean(v.MountPath) {
				return v.claimed("mounts")
			}
		}
	}
	return nil
}

// isOn tells whether a device is the volume or a partition of it, by its consistent path or by the
// name that the kernel gives to the disk of that letter on a machine with paravirtualised
// attachments.
func (v DataVolume) isOn(device string) bool {
	device = strings.TrimRight(path.Clean(device), "0123456789")
	device = strings.TrimSuffix(device, "-part")
	letter := v.Device[len(v.Device)-1:]
	return device == v.Device || device == "/dev/sd"+letter || device == "/dev/vd"+letter || device == "sd"+letter
}

func (v DataVolume) claimed(module string) error {
	return invalid("DataVolumes", "the bootstrap data's %s claims %s or its place %s, which the provider formats and mounts: "+
		"take it out of the KubeadmConfig's diskSetup and mounts, or change the volume's mountPath", module, v.Device, v.MountPath)
}
