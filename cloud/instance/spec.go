// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"fmt"
	"maps"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Launch holds everything that decides a launch.
type Launch struct {
	// Machine is the machine's spec.
	Machine infrav1.OCIMeshMachineSpec
	// Placement is where it goes, with the image.
	Placement infrav1.Placement
	// Network is the account's network for the cluster.
	Network infrav1.ClusterAccountStatus
	// Owner is the machine; Hostname is its name in the tailnet.
	Owner    ownership.Owner
	Hostname string
	// Tags are put on the instance beside the machine's own.
	Tags map[string]string
	// UserData as cloud-init will see it.
	UserData []byte
	// KeyID is the id of the tailnet key in the user data. A launch with another key is another
	// launch.
	KeyID string
}

// deviceLetters are the last letters of the consistent device paths; a is the boot volume's.
// Source: OCI documentation, "Connecting to Volumes With Consistent Device Paths".
const deviceLetters = "bcdefghijklmnopqrstuvwxyz"

// Spec builds the request to OCI. The same Launch gives the same Spec: the retry token depends on
// it.
func Spec(launch Launch) oci.LaunchSpec {
	spec := oci.LaunchSpec{
		DisplayName:        launch.Hostname,
		AvailabilityDomain: launch.Placement.AvailabilityDomain,
		FaultDomain:        launch.Placement.FaultDomain,
		Shape:              launch.Placement.Shape,
		ImageID:            launch.Placement.ImageID,
		BootVolume:         volumeSize(launch.Machine.BootVolume.SizeGB, launch.Machine.BootVolume.VPUsPerGB),
		SubnetID:           launch.Network.SubnetID,
		NSGIDs:             launch.Network.NetworkSecurityGroupIDs,
		AssignPublicIP:     isTrue(launch.Network.PublicIP),
		UserData:           launch.UserData,
		SSHAuthorizedKeys:  launch.Machine.SSHAuthorizedKeys,
		Preemptible:        launch.Machine.IsPreemptible(),
		Tags:               maps.Clone(launch.Machine.Tags),
		RetryToken:         RetryToken(launch.Owner, launch.Placement, launch.KeyID),
	}
	for _, shape := range launch.Machine.Shapes {
		if shape.Name == launch.Placement.Shape {
			spec.OCPUs, spec.MemoryGB = float64(shape.OCPUs), float64(shape.MemoryGB)
			break
		}
	}
	for i, volume := range launch.Machine.DataVolumes {
		spec.DataVolumes = append(spec.DataVolumes, oci.LaunchVolume{
			VolumeSize:  volumeSize(volume.SizeGB, volume.VPUsPerGB),
			DisplayName: VolumeName(launch.Hostname, volume.Name),
			Device:      Device(i),
		})
	}
	if spec.Tags == nil {
		spec.Tags = map[string]string{}
	}
	maps.Copy(spec.Tags, launch.Tags)
	return spec
}

// Metadata counts, beside the user data, towards OCI's limit of an instance's metadata.
func Metadata(spec infrav1.OCIMeshMachineSpec) map[string]string {
	return Spec(Launch{Machine: spec}).Metadata()
}

// Device is the device path of the machine's i-th data volume, from 0; the API allows 8.
func Device(i int) string { return "/dev/oracleoci/oraclevd" + deviceLetters[i:i+1] }

// VolumeName is the display name of a data volume. OCI takes no tags for a volume created with its
// instance; the hostname, with its part of the machine's UID, tells it from volumes attached by
// others.
func VolumeName(hostname, volume string) string { return hostname + "-" + volume }

// RetryToken makes repeated launches of one attempt at one place with one key a single launch: all
// requests with one token must be the same. It has 64 characters, OCI's maximum.
func RetryToken(owner ownership.Owner, placement infrav1.Placement, keyID string) string {
	return cloud.RetryToken(
		owner.Digest(), fmt.Sprint(placement.Attempt), placement.Account, placement.AvailabilityDomain, placement.FaultDomain,
		placement.Shape, placement.ImageID, keyID,
	)
}

func volumeSize(sizeGB, vpusPerGB int32) oci.VolumeSize {
	size := oci.VolumeSize{GB: int64(sizeGB)}
	if vpusPerGB != 0 {
		vpus := int64(vpusPerGB)
		size.VPUsPerGB = &vpus
	}
	return size
}

func isTrue(b *bool) bool { return b != nil && *b }
