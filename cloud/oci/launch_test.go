// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

const (
	launchPath = "POST /20160918/instances"
	userData   = "#cloud-config\nwrite_files: [{content: very-secret-join-token}]\n"
)

func launchSpec() oci.LaunchSpec {
	balanced := int64(10)
	return oci.LaunchSpec{
		DisplayName:        "node-1",
		AvailabilityDomain: "Uocm:EU-FRANKFURT-1-AD-1",
		FaultDomain:        "FAULT-DOMAIN-2",
		Shape:              "VM.Standard.A1.Flex",
		OCPUs:              2,
		MemoryGB:           12,
		ImageID:            "ocid1.image.oc1..eeee",
		BootVolume:         oci.VolumeSize{GB: 60, VPUsPerGB: &balanced},
		DataVolumes: []oci.LaunchVolume{
			{VolumeSize: oci.VolumeSize{GB: 100}, DisplayName: "node-1-etcd", Device: "/dev/oracleoci/oraclevdb"},
		},
		SubnetID:          "ocid1.subnet.oc1..ffff",
		NSGIDs:            []string{"ocid1.networksecuritygroup.oc1..gggg"},
		AssignPublicIP:    true,
		UserData:          []byte(userData),
		SSHAuthorizedKeys: []string{"ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b"},
		Preemptible:       true,
		Tags:              map[string]string{"owner": "uid-1"},
		RetryToken:        "uid-1-0",
	}
}

func TestLaunchSaysEverythingToOCI(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on(launchPath, answer(200, `{"id":"`+instanceID+`","lifecycleState":"PROVISIONING","shape":"VM.Standard.A1.Flex",
		"shapeConfig":{"ocpus":2,"memoryInGBs":12},"sourceDetails":{"sourceType":"image","imageId":"ocid1.image.oc1..eeee"},
		"freeformTags":{"owner":"uid-1"},"timeCreated":"2026-01-02T03:04:05.678Z"}`, "Opc-Work-Request-Id", "ocid1.wr.oc1..1"))

	launched, err := newClient(t, f).LaunchInstance(context.Background(), launchSpec())

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(launched.ID).To(Equal(instanceID))
	g.Expect(launched.State).To(Equal(oci.StateProvisioning))
	g.Expect(launched.WorkRequestID).To(Equal("ocid1.wr.oc1..1"))
	g.Expect(launched.OCPUs).To(Equal(2.0))
	g.Expect(launched.ImageID).To(Equal("ocid1.image.oc1..eeee"))
	g.Expect(launched.HasTags(map[string]string{"owner": "uid-1"})).To(BeTrue())
	g.Expect(launched.CreatedAt.Year()).To(Equal(2026))

	request := f.seen()[0]
	g.Expect(request.header.Get("Opc-Retry-Token")).To(Equal("uid-1-0"))
	g.Expect(request.body).To(MatchJSON(fmt.Sprintf(`{
		"compartmentId": %q, "displayName": "node-1", "availabilityDomain": "Uocm:EU-FRANKFURT-1-AD-1",
		"faultDomain": "FAULT-DOMAIN-2", "shape": "VM.Standard.A1.Flex", "shapeConfig": {"ocpus": 2, "memoryInGBs": 12},
		"sourceDetails": {"sourceType": "image", "imageId": "ocid1.image.oc1..eeee", "bootVolumeSizeInGBs": 60, "bootVolumeVpusPerGB": 10},
		"createVnicDetails": {"displayName": "node-1", "subnetId": "ocid1.subnet.oc1..ffff", "assignPublicIp": true,
			"nsgIds": ["ocid1.networksecuritygroup.oc1..gggg"], "freeformTags": {"owner": "uid-1"}},
		"instanceOptions": {"areLegacyImdsEndpointsDisabled": true},
		"launchVolumeAttachments": [{"type": "paravirtualized", "device": "/dev/oracleoci/oraclevdb", "displayName": "node-1-etcd",
			"launchCreateVolumeDetails": {"volumeCreationType": "ATTRIBUTES",
			"compartmentId": %q, "displayName": "node-1-etcd", "sizeInGBs": 100}}],
		"preemptibleInstanceConfig": {"preemptionAction": {"type": "TERMINATE", "preserveBootVolume": false}},
		"metadata": {"user_data": %q, "ssh_authorized_keys": "ssh-ed25519 AAAA a\nssh-ed25519 BBBB b"},
		"freeformTags": {"owner": "uid-1"}}`,
		compartmentID, compartmentID, base64.StdEncoding.EncodeToString([]byte(userData)))))
}

func TestLaunchLeavesOutWhatIsNotAskedFor(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on(launchPath, answer(200, `{}`))

	_, err := newClient(t, f).LaunchInstance(context.Background(), oci.LaunchSpec{
		AvailabilityDomain: "AD-1", Shape: "VM.Standard2.1", ImageID: "i", SubnetID: "s",
	})

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.seen()[0].body).To(MatchJSON(fmt.Sprintf(`{"compartmentId": %q, "availabilityDomain": "AD-1",
		"shape": "VM.Standard2.1", "sourceDetails": {"sourceType": "image", "imageId": "i"}, "metadata": {},
		"createVnicDetails": {"subnetId": "s", "assignPublicIp": false},
		"instanceOptions": {"areLegacyImdsEndpointsDisabled": true}}`, compartmentID)))
}

// An API error quoting the request must not bring user data into logs, conditions or events.
func TestUserDataAndKeyNeverShow(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(userData))
	echoes := map[string]func(body string) string{
		"the whole body":        func(body string) string { return body },
		"the encoded user data": func(string) string { return "user data " + encoded + " is invalid" },
		"a part of it":          func(string) string { return "invalid near " + encoded[10:34] },
		"the decoded user data": func(string) string { return "cannot parse " + userData },
		"a word of it":          func(string) string { return "unexpected very-secret-join-token" },
		"a body that is no OCI": func(body string) string { return "" },
	}
	for name, echo := range echoes {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on(launchPath, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				w.WriteHeader(http.StatusBadRequest)
				message := echo(string(body))
				if message == "" {
					_, _ = w.Write(body)
					return
				}
				_ = json.NewEncoder(w).Encode(map[string]string{"code": "InvalidParameter", "message": message})
			})
			var logged strings.Builder
			sink := funcr.New(func(_, args string) { logged.WriteString(args) }, funcr.Options{Verbosity: 10})

			_, err := newClient(t, f).LaunchInstance(logr.NewContext(context.Background(), sink), launchSpec())
			sink.Error(err, "Failed to launch", "spec", launchSpec())

			g.Expect(err).To(HaveOccurred())
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), cloud.UserMessage(err), logged.String()} {
				g.Expect(text).NotTo(ContainSubstring(encoded[10:34]))
				g.Expect(text).NotTo(ContainSubstring("very-secret-join-token"))
				g.Expect(text).NotTo(ContainSubstring("PRIVATE KEY"))
				g.Expect(text).NotTo(ContainSubstring("signature="))
			}
		})
	}
}

func TestLaunchSpecDoesNotPrintUserData(t *testing.T) {
	g := NewWithT(t)
	asJSON, err := json.Marshal(launchSpec())
	g.Expect(err).NotTo(HaveOccurred())
	for _, text := range []string{fmt.Sprint(launchSpec()), fmt.Sprintf("%#v", launchSpec()), string(asJSON)} {
		g.Expect(text).To(ContainSubstring("node-1"))
		g.Expect(text).NotTo(ContainSubstring("secret"))
		g.Expect(text).NotTo(ContainSubstring("ssh-ed25519"))
	}
}

func TestTerminateTakesTheVolumesAlong(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("DELETE /20160918/instances/"+instanceID, answer(204, ""))

	g.Expect(newClient(t, f).TerminateInstance(context.Background(), ownership.Recorded(instanceID))).To(Succeed())

	g.Expect(f.seen()[0].query).To(HaveKeyWithValue("preserveBootVolume", []string{"false"}))
	g.Expect(f.seen()[0].query).To(HaveKeyWithValue("preserveDataVolumesCreatedAtLaunch", []string{"false"}))
}

func TestLaunchFailureIsOfTheKindOfADirectAnswer(t *testing.T) {
	for _, tc := range []struct {
		name, code, message string
		want                cloud.Kind
	}{
		{"no host", "InternalError", "Out of host capacity.", cloud.OutOfCapacity},
		{"a limit", "LimitExceeded", "standard-a1-core-count", cloud.LimitExceeded},
		{"a quota", "QuotaExceeded", "x", cloud.QuotaExceeded},
		{"something else", "Other", "x", cloud.Unknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on("GET /20160918/workRequests", answer(200, `[{"id":"wr-1","status":"SUCCEEDED"},{"id":"wr-2","status":"FAILED"}]`))
			f.on("GET /20160918/workRequests/wr-2/errors", answer(200, fmt.Sprintf(`[{"code":%q,"message":%q}]`, tc.code, tc.message)))

			failure, err := newClient(t, f).LaunchFailure(context.Background(), instanceID)

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(failure.Kind).To(Equal(tc.want))
			g.Expect(failure.Message).To(Equal(tc.message))
			g.Expect(f.seen()[0].query).To(HaveKeyWithValue("resourceId", []string{instanceID}))
		})
	}
}

func TestNoLaunchFailure(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/workRequests", answer(200, `[{"id":"wr-1","status":"IN_PROGRESS"}]`))

	failure, err := newClient(t, f).LaunchFailure(context.Background(), instanceID)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(failure).To(BeNil())
}
