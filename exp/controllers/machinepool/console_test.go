// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// console is somebody who works in the account by hand.
type console struct {
	compute     core.ComputeClient
	storage     core.BlockstorageClient
	compartment string
}

func (b *bench) console(t *testing.T) *console {
	t.Helper()
	g := NewWithT(t)
	secret := b.Credentials[0].Data
	provider := common.NewRawConfigurationProvider(string(secret[infrav1.CredentialsTenancyKey]), string(secret[infrav1.CredentialsUserKey]),
		helpers.Region, string(secret[infrav1.CredentialsFingerprintKey]), string(secret[infrav1.CredentialsPrivateKeyKey]), nil)
	c := &console{compartment: b.Tenancies[0].Compartment()}
	var err error
	c.compute, err = core.NewComputeClientWithConfigurationProvider(provider)
	g.Expect(err).NotTo(HaveOccurred())
	c.storage, err = core.NewBlockstorageClientWithConfigurationProvider(provider)
	g.Expect(err).NotTo(HaveOccurred())
	c.compute.Host, c.storage.Host = b.OCI.URL(), b.OCI.URL()
	return c
}

// attachments are all attachments of data volumes to the instance.
func (c *console) attachments(t *testing.T, instance string) []core.VolumeAttachment {
	t.Helper()
	var all []core.VolumeAttachment
	request := core.ListVolumeAttachmentsRequest{CompartmentId: &c.compartment, InstanceId: &instance}
	for {
		response, err := c.compute.ListVolumeAttachments(t.Context(), request)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		all = append(all, response.Items...)
		if response.OpcNextPage == nil {
			return all
		}
		request.Page = response.OpcNextPage
	}
}

// volumeOf is the data volume that is attached to the instance.
func (c *console) volumeOf(t *testing.T, instance string) string {
	t.Helper()
	for _, attachment := range c.attachments(t, instance) {
		if attachment.GetLifecycleState() == core.VolumeAttachmentLifecycleStateAttached {
			return *attachment.GetVolumeId()
		}
	}
	t.Fatalf("instance %s has no data volume", instance)
	return ""
}

// detach takes all data volumes off the instance.
func (c *console) detach(t *testing.T, instance string) {
	t.Helper()
	for _, attachment := range c.attachments(t, instance) {
		_, err := c.compute.DetachVolume(t.Context(), core.DetachVolumeRequest{VolumeAttachmentId: attachment.GetId()})
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	}
	eventually(NewWithT(t), func(g Gomega) {
		for _, attachment := range c.attachments(t, instance) {
			g.Expect(attachment.GetLifecycleState()).To(Equal(core.VolumeAttachmentLifecycleStateDetached))
		}
	})
}

// attach puts the volume into an instance.
func (c *console) attach(t *testing.T, volume, instance string) {
	t.Helper()
	_, err := c.compute.AttachVolume(t.Context(), core.AttachVolumeRequest{
		AttachVolumeDetails: core.AttachParavirtualizedVolumeDetails{InstanceId: &instance, VolumeId: &volume},
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// volumeState is OCI's state of the volume.
func (c *console) volumeState(t *testing.T, volume string) string {
	t.Helper()
	response, err := c.storage.GetVolume(t.Context(), core.GetVolumeRequest{VolumeId: &volume})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return string(response.LifecycleState)
}
