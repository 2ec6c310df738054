// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// InstanceConfiguration is a template of instances as a list shows it: without its content.
type InstanceConfiguration struct {
	Resource
	// CreatedAt is OCI's time of its creation.
	CreatedAt time.Time
}

// ListInstanceConfigurations lists the compartment's instance configurations with all of the tags.
func (c *Client) ListInstanceConfigurations(ctx context.Context, tags map[string]string) ([]InstanceConfiguration, error) {
	type request = core.ListInstanceConfigurationsRequest
	type response = core.ListInstanceConfigurationsResponse
	items, err := listAll(ctx, c, pager[request, response, core.InstanceConfigurationSummary]{
		op:      operation{service: serviceCompute, name: "ListInstanceConfigurations"},
		do:      c.pools.ListInstanceConfigurations,
		request: request{CompartmentId: &c.compartmentID},
		turn:    func(r *request, page *string) { r.Page = page },
		read:    func(r response) ([]core.InstanceConfigurationSummary, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	var kept []InstanceConfiguration
	for _, item := range items {
		configuration := InstanceConfiguration{
			Resource: resource(item.Id, item.DisplayName, LifecycleState(""), item.FreeformTags), CreatedAt: timestamp(item.TimeCreated),
		}
		if configuration.HasTags(tags) {
			kept = append(kept, configuration)
		}
	}
	return kept, nil
}

// CreateInstanceConfiguration makes a template of instances and returns its OCID. Of the spec,
// DisplayName and RetryToken are the template's own; Tags are its instances' and their volumes',
// which get configurationTags as well. The pool decides where an instance goes.
func (c *Client) CreateInstanceConfiguration(ctx context.Context, spec LaunchSpec, configurationTags map[string]string) (string, error) {
	userData := base64.StdEncoding.EncodeToString(spec.UserData)
	op := operation{service: serviceCompute, name: "CreateInstanceConfiguration", secrets: []string{userData, string(spec.UserData)}}
	response, err := call(ctx, c, op, c.pools.CreateInstanceConfiguration, core.CreateInstanceConfigurationRequest{
		CreateInstanceConfiguration: core.CreateInstanceConfigurationDetails{
			CompartmentId: &c.compartmentID, DisplayName: optional(spec.DisplayName), FreeformTags: configurationTags,
			InstanceDetails: core.ComputeInstanceDetails{
				LaunchDetails: c.configuredLaunch(spec, userData), BlockVolumes: c.configuredVolumes(spec),
			},
		},
		OpcRetryToken: optional(spec.RetryToken),
	})
	if err != nil {
		return "", err
	}
	return value(response.Id), nil
}

// DeleteInstanceConfiguration deletes a template; OCI refuses, with cloud.Conflict, while a pool
// uses it.
func (c *Client) DeleteInstanceConfiguration(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceCompute, name: "DeleteInstanceConfiguration"}.on(id),
		c.pools.DeleteInstanceConfiguration, core.DeleteInstanceConfigurationRequest{InstanceConfigurationId: &id})
	return err
}

func (c *Client) configuredLaunch(spec LaunchSpec, userData string) *core.InstanceConfigurationLaunchInstanceDetails {
	yes := true
	details := &core.InstanceConfigurationLaunchInstanceDetails{
		CompartmentId: &c.compartmentID, Shape: &spec.Shape,
		SourceDetails: core.InstanceConfigurationInstanceSourceViaImageDetails{
			ImageId: &spec.ImageID, BootVolumeSizeInGBs: optional(spec.BootVolume.GB), BootVolumeVpusPerGB: spec.BootVolume.VPUsPerGB,
		},
		CreateVnicDetails: &core.InstanceConfigurationCreateVnicDetails{
			NsgIds: spec.NSGIDs, AssignPublicIp: &spec.AssignPublicIP, FreeformTags: spec.Tags,
		},
		InstanceOptions: &core.InstanceConfigurationInstanceOptions{AreLegacyImdsEndpointsDisabled: &yes},
		Metadata:        metadata(spec, userData),
		FreeformTags:    spec.Tags,
	}
	if spec.OCPUs != 0 || spec.MemoryGB != 0 {
		details.ShapeConfig = &core.InstanceConfigurationLaunchInstanceShapeConfigDetails{
			Ocpus: optional(float32(spec.OCPUs)), MemoryInGBs: optional(float32(spec.MemoryGB)),
		}
	}
	if spec.Preemptible {
		// OCI refuses it in pools: one of before the API did so is told, rather than made dearer.
		no := false
		details.PreemptibleInstanceConfig = &core.PreemptibleInstanceConfigDetails{
			PreemptionAction: core.TerminatePreemptionAction{PreserveBootVolume: &no},
		}
	}
	return details
}

func (c *Client) configuredVolumes(spec LaunchSpec) []core.InstanceConfigurationBlockVolumeDetails {
	var volumes []core.InstanceConfigurationBlockVolumeDetails
	for _, volume := range spec.DataVolumes {
		volumes = append(volumes, core.InstanceConfigurationBlockVolumeDetails{
			AttachDetails: core.InstanceConfigurationParavirtualizedAttachVolumeDetails{
				Device: optional(volume.Device), DisplayName: optional(volume.DisplayName),
			},
			CreateDetails: &core.InstanceConfigurationCreateVolumeDetails{
				CompartmentId: &c.compartmentID, DisplayName: optional(volume.DisplayName), FreeformTags: spec.Tags,
				SizeInGBs: &volume.GB, VpusPerGB: volume.VPUsPerGB,
			},
		})
	}
	return volumes
}
