// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/core"
)

// LaunchSpec is an instance to launch. It prints without its user data.
type LaunchSpec struct {
	// DisplayName of the instance, and of its primary VNIC.
	DisplayName string
	// AvailabilityDomain is required; without a FaultDomain OCI chooses one.
	AvailabilityDomain, FaultDomain string
	// Shape name; OCPUs and MemoryGB are for flexible shapes and 0 for others.
	Shape           string
	OCPUs, MemoryGB float64
	// ImageID is the OCID of the image.
	ImageID string
	// BootVolume size and performance; zero values mean the image's.
	BootVolume VolumeSize
	// DataVolumes are created, attached and terminated with the instance.
	DataVolumes []LaunchVolume
	// SubnetID and NSGIDs of the primary VNIC.
	SubnetID string
	NSGIDs   []string
	// AssignPublicIP gives the primary VNIC an ephemeral public address.
	AssignPublicIP bool
	// UserData as cloud-init will see it; it is encoded here. Base64 and all, OCI takes 32,000
	// bytes of metadata.
	UserData []byte
	// SSHAuthorizedKeys are public keys, one line each.
	SSHAuthorizedKeys []string
	// Preemptible instances are cheaper and may be terminated by OCI at any time.
	Preemptible bool
	// Tags are free-form.
	Tags map[string]string
	// RetryToken, at most 64 bytes, makes repeated launches with the same spec one, for 24 hours.
	RetryToken string
}

// VolumeSize is a volume's size and performance; zero values are OCI's defaults.
type VolumeSize struct {
	// GB is the size, in units of 2^30 bytes.
	GB int64
	// VPUsPerGB is the performance: 0 lower cost, 10 balanced, 20 higher, 30 to 120 ultra high. Nil
	// is OCI's default.
	VPUsPerGB *int64
}

// LaunchVolume is a data volume created with the instance. OCI takes no tags for it.
type LaunchVolume struct {
	VolumeSize
	// DisplayName of the volume.
	DisplayName string
	// Device is its device path on the instance, such as /dev/oracleoci/oraclevdb.
	Device string
}

// Format prints the launch's identifying fields, and neither user data nor keys, whatever the verb.
func (s LaunchSpec) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "[launch of %s, shape %s in %s]", s.DisplayName, s.Shape, s.AvailabilityDomain)
}

// MarshalJSON keeps user data and keys out of structured logs.
func (s LaunchSpec) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", fmt.Sprint(s)), nil }

// LaunchInstance asks for an instance and returns it as PROVISIONING. IMDSv1 is always off. The
// launch may still fail: see LaunchFailure.
func (c *Client) LaunchInstance(ctx context.Context, spec LaunchSpec) (Instance, error) {
	userData := base64.StdEncoding.EncodeToString(spec.UserData)
	op := operation{service: serviceCompute, name: operationLaunch, secrets: []string{userData, string(spec.UserData)}}
	response, err := call(ctx, c, op, c.compute.LaunchInstance, core.LaunchInstanceRequest{
		LaunchInstanceDetails: c.launchDetails(spec, userData),
		OpcRetryToken:         optional(spec.RetryToken),
	})
	if err != nil {
		return Instance{}, err
	}
	launched := instance(response.Instance)
	launched.WorkRequestID = value(response.OpcWorkRequestId)
	return launched, nil
}

func (c *Client) launchDetails(spec LaunchSpec, userData string) core.LaunchInstanceDetails {
	yes := true
	details := core.LaunchInstanceDetails{
		CompartmentId:      &c.compartmentID,
		DisplayName:        optional(spec.DisplayName),
		AvailabilityDomain: &spec.AvailabilityDomain,
		FaultDomain:        optional(spec.FaultDomain),
		Shape:              &spec.Shape,
		SourceDetails: core.InstanceSourceViaImageDetails{
			ImageId:             &spec.ImageID,
			BootVolumeSizeInGBs: optional(spec.BootVolume.GB),
			BootVolumeVpusPerGB: spec.BootVolume.VPUsPerGB,
		},
		CreateVnicDetails: &core.CreateVnicDetails{
			DisplayName:    optional(spec.DisplayName),
			SubnetId:       &spec.SubnetID,
			NsgIds:         spec.NSGIDs,
			AssignPublicIp: &spec.AssignPublicIP,
			FreeformTags:   spec.Tags,
		},
		InstanceOptions:         &core.InstanceOptions{AreLegacyImdsEndpointsDisabled: &yes},
		LaunchVolumeAttachments: c.launchVolumes(spec),
		Metadata:                metadata(spec, userData),
		FreeformTags:            spec.Tags,
	}
	if spec.OCPUs != 0 || spec.MemoryGB != 0 {
		details.ShapeConfig = &core.LaunchInstanceShapeConfigDetails{
			Ocpus:       optional(float32(spec.OCPUs)),
			MemoryInGBs: optional(float32(spec.MemoryGB)),
		}
	}
	if spec.Preemptible {
		no := false
		details.PreemptibleInstanceConfig = &core.PreemptibleInstanceConfigDetails{
			PreemptionAction: core.TerminatePreemptionAction{PreserveBootVolume: &no},
		}
	}
	return details
}

func (c *Client) launchVolumes(spec LaunchSpec) []core.LaunchAttachVolumeDetails {
	var attachments []core.LaunchAttachVolumeDetails
	for _, volume := range spec.DataVolumes {
		attachments = append(attachments, core.LaunchAttachParavirtualizedVolumeDetails{
			Device:      optional(volume.Device),
			DisplayName: optional(volume.DisplayName),
			LaunchCreateVolumeDetails: core.LaunchCreateVolumeFromAttributes{
				CompartmentId: &c.compartmentID,
				DisplayName:   optional(volume.DisplayName),
				SizeInGBs:     &volume.GB,
				VpusPerGB:     volume.VPUsPerGB,
			},
		})
	}
	return attachments
}

// Metadata is the instance's but for the user data, with which it shares OCI's limit.
func (s LaunchSpec) Metadata() map[string]string {
	m := map[string]string{}
	if len(s.SSHAuthorizedKeys) > 0 {
		m["ssh_authorized_keys"] = strings.Join(s.SSHAuthorizedKeys, "\n")
	}
	return m
}

func metadata(spec LaunchSpec, userData string) map[string]string {
	m := spec.Metadata()
	if userData != "" {
		m["user_data"] = userData
	}
	return m
}
