// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"fmt"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

func TestAConfigurationSaysEverythingButThePlace(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("POST /20160918/instanceConfigurations", answer(http.StatusOK, `{"id":"ocid1.instanceconfiguration.oc1..a"}`))

	id, err := newClient(t, f).CreateInstanceConfiguration(t.Context(), launchSpec(), map[string]string{"of": "pool"})

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(id).To(Equal("ocid1.instanceconfiguration.oc1..a"))
	request := f.seen()[0]
	g.Expect(request.header.Get("Opc-Retry-Token")).To(Equal("uid-1-0"))
	g.Expect(request.body).To(MatchJSON(fmt.Sprintf(`{
		"source": "NONE", "compartmentId": %[1]q, "displayName": "node-1", "freeformTags": {"of": "pool"},
		"instanceDetails": {"instanceType": "compute",
			"launchDetails": {"compartmentId": %[1]q, "shape": "VM.Standard.A1.Flex", "shapeConfig": {"ocpus": 2, "memoryInGBs": 12},
				"sourceDetails": {"sourceType": "image", "imageId": "ocid1.image.oc1..eeee", "bootVolumeSizeInGBs": 60, "bootVolumeVpusPerGB": 10},
				"createVnicDetails": {"nsgIds": ["ocid1.networksecuritygroup.oc1..gggg"], "assignPublicIp": true, "freeformTags": {"owner": "uid-1"}},
				"instanceOptions": {"areLegacyImdsEndpointsDisabled": true},
				"metadata": {"user_data": "I2Nsb3VkLWNvbmZpZwp3cml0ZV9maWxlczogW3tjb250ZW50OiB2ZXJ5LXNlY3JldC1qb2luLXRva2VufV0K",
					"ssh_authorized_keys": "ssh-ed25519 AAAA a\nssh-ed25519 BBBB b"},
				"preemptibleInstanceConfig": {"preemptionAction": {"type": "TERMINATE", "preserveBootVolume": false}},
				"freeformTags": {"owner": "uid-1"}},
			"blockVolumes": [{
				"attachDetails": {"type": "paravirtualized", "device": "/dev/oracleoci/oraclevdb", "displayName": "node-1-etcd"},
				"createDetails": {"compartmentId": %[1]q, "displayName": "node-1-etcd", "sizeInGBs": 100, "freeformTags": {"owner": "uid-1"}}}]}}`,
		compartmentID)))
}

func TestARefusedConfigurationDoesNotShowItsUserData(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("POST /20160918/instanceConfigurations", answer(http.StatusBadRequest,
		`{"code":"InvalidParameter","message":"bad: I2Nsb3VkLWNvbmZpZwp3cml0ZV9maWxlczogW3tjb250ZW50OiB2ZXJ5LXNlY3JldC1qb2luLXRva2VufV0K"}`))

	_, err := newClient(t, f).CreateInstanceConfiguration(t.Context(), launchSpec(), nil)

	g.Expect(cloud.IsKind(err, cloud.InvalidRequest)).To(BeTrue())
	g.Expect(err.Error()).NotTo(ContainSubstring("I2Nsb3Vk"))
}

func TestAPoolIsCreatedAndResizedToZero(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	const pool = `{"id":"ocid1.instancepool.oc1..a","lifecycleState":"PROVISIONING","size":3,"instanceConfigurationId":"ocid1.c",
		"freeformTags":{"of":"pool"},"timeCreated":"2026-01-02T03:04:05.678Z"}`
	f.on("POST /20160918/instancePools", answer(http.StatusOK, pool))
	f.on("PUT /20160918/instancePools/ocid1.instancepool.oc1..a", answer(http.StatusOK, pool))
	client := newClient(t, f)

	made, err := client.CreateInstancePool(t.Context(), oci.PoolSpec{
		DisplayName: "workers", ConfigurationID: "ocid1.c", RetryToken: "token", Tags: map[string]string{"of": "pool"},
		Placements: []oci.PoolPlacement{{AvailabilityDomain: "AD-1", FaultDomains: []string{"FD-1"}, SubnetID: "ocid1.s"}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(made.State).To(Equal(oci.StateProvisioning))
	g.Expect(made.Size).To(Equal(3))
	zero := 0
	_, err = client.UpdateInstancePool(t.Context(), ownership.Recorded(made.ID), oci.PoolChange{Size: &zero})
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(f.seen()[0].header.Get("Opc-Retry-Token")).To(Equal("token"))
	g.Expect(f.seen()[0].body).To(MatchJSON(fmt.Sprintf(`{"compartmentId": %q, "instanceConfigurationId": "ocid1.c", "size": 0,
		"displayName": "workers", "freeformTags": {"of": "pool"}, "placementConfigurations": [
			{"availabilityDomain": "AD-1", "faultDomains": ["FD-1"], "primaryVnicSubnets": {"subnetId": "ocid1.s"}}]}`, compartmentID)))
	g.Expect(f.seen()[1].body).To(MatchJSON(`{"size": 0}`))
}

func TestTheNewestFailureOfAPoolAndTheFirstOfALaunchAreTold(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/workRequests", answer(http.StatusOK, `[
		{"id":"w2","status":"FAILED","timeAccepted":"2026-01-02T00:00:02Z"},{"id":"w4","status":"ACCEPTED","timeAccepted":"2026-01-02T00:00:04Z"},
		{"id":"w3","status":"FAILED","timeAccepted":"2026-01-02T00:00:03Z"},{"id":"w1","status":"FAILED","timeAccepted":"2026-01-02T00:00:01Z"}]`))
	f.on("GET /20160918/workRequests/w1/errors", answer(http.StatusOK, `[{"code":"InvalidParameter","message":"the first"}]`))
	f.on("GET /20160918/workRequests/w3/errors", answer(http.StatusOK, `[{"code":"InternalError","message":"Out of host capacity."}]`))
	client := newClient(t, f)

	failure, err := client.ScalingFailure(t.Context(), "ocid1.instancepool.oc1..a")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cloud.KindOf(failure)).To(Equal(cloud.OutOfCapacity))
	launch, err := client.LaunchFailure(t.Context(), "ocid1.instance.oc1..a")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(launch.Message).To(Equal("the first"))
	g.Expect(launch.Kind).To(Equal(cloud.InvalidRequest))
}

func TestAFailureOfAPoolIsOverOnceOCITriesAnew(t *testing.T) {
	for status, over := range map[string]bool{"IN_PROGRESS": true, "SUCCEEDED": true, "CANCELED": false} {
		t.Run(status, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on("GET /20160918/workRequests", answer(http.StatusOK, fmt.Sprintf(`[
				{"id":"w2","status":%q,"timeAccepted":"2026-01-04T00:00:00Z"},{"id":"w1","status":"FAILED","timeAccepted":"2026-01-02T00:00:00Z"}]`, status)))
			f.on("GET /20160918/workRequests/w1/errors", answer(http.StatusOK, `[{"code":"InvalidParameter","message":"long ago"}]`))
			f.on("GET /20160918/workRequests/w2/errors", answer(http.StatusOK, `[]`))

			failure, err := newClient(t, f).ScalingFailure(t.Context(), "ocid1.instancepool.oc1..a")

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(failure == nil).To(Equal(over))
		})
	}
}

func TestAFailureIsToldWhileOCIGoesOnTrying(t *testing.T) {
	for name, world := range map[string]struct {
		errors string
		expect cloud.Kind
	}{
		"a limit by its code": {`[{"code":"ServiceLimit","message":"The limit is reached."}]`, cloud.LimitExceeded},
		"hosts by their code": {`[{"code":"OutOfCapacity","message":"Try later."}]`, cloud.OutOfCapacity},
		"a limit by the message": {
			`[{"code":"PostLaunchFailure","message":"Error Code: LimitExceeded, the service limits are exceeded"}]`, cloud.LimitExceeded,
		},
		"a quota by the message": {
			`[{"code":"InvalidParameter","message":"Launch failed: QuotaExceeded"}]`, cloud.QuotaExceeded,
		},
		"hosts by the message": {
			`[{"code":"InternalError","message":"Launch failed: OutOfCapacity"}]`, cloud.OutOfCapacity,
		},
		"what a launch is refused for": {`[{"code":"InvalidParameter","message":"The image does not fit"}]`, cloud.InvalidRequest},
		"what comes after a launch":    {`[{"code":"PostLaunchFailure","message":"The volume is not attached"}]`, cloud.Unknown},
		"the newest of several, in any order": {
			`[{"code":"OutOfCapacity","message":"a","timestamp":"2026-01-04T00:00:02Z"},
			{"code":"ServiceLimit","message":"b","timestamp":"2026-01-04T00:00:03Z"},
			{"code":"InvalidParameter","message":"c","timestamp":"2026-01-04T00:00:01Z"}]`, cloud.LimitExceeded,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on("GET /20160918/workRequests", answer(http.StatusOK, `[
				{"id":"w1","status":"FAILED","timeAccepted":"2026-01-02T00:00:00Z"},{"id":"w2","status":"IN_PROGRESS","timeAccepted":"2026-01-04T00:00:00Z"}]`))
			f.on("GET /20160918/workRequests/w2/errors", answer(http.StatusOK, world.errors))

			failure, err := newClient(t, f).ScalingFailure(t.Context(), "ocid1.instancepool.oc1..a")

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(failure).To(HaveOccurred())
			g.Expect(cloud.KindOf(failure)).To(Equal(world.expect))
		})
	}
}

func TestANewerRequestHidesNoFailureOfOneThatGoesOn(t *testing.T) {
	for _, status := range []string{"IN_PROGRESS", "SUCCEEDED", "FAILED"} {
		t.Run(status, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on("GET /20160918/workRequests", answer(http.StatusOK, fmt.Sprintf(`[
				{"id":"detach","operationType":"DetachInstancePoolInstance","status":%q,"timeAccepted":"2026-01-04T00:00:00Z"},
				{"id":"launch","operationType":"LaunchInstancesInPool","status":"IN_PROGRESS","timeAccepted":"2026-01-02T00:00:00Z"}]`, status)))
			f.on("GET /20160918/workRequests/detach/errors", answer(http.StatusOK, `[]`))
			f.on("GET /20160918/workRequests/launch/errors", answer(http.StatusOK, `[{"code":"OutOfCapacity","message":"Try later."}]`))

			failure, err := newClient(t, f).ScalingFailure(t.Context(), "ocid1.instancepool.oc1..a")

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(cloud.KindOf(failure)).To(Equal(cloud.OutOfCapacity))
		})
	}
}
