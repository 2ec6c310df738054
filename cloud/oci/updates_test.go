// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"io"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// sent keeps the last request's body and headers, and answers.
func sent(body *string, headers *http.Header, workRequest, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		read, _ := io.ReadAll(r.Body)
		*body, *headers = string(read), r.Header.Clone()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("opc-work-request-id", workRequest)
		_, _ = io.WriteString(w, text)
	}
}

func TestAnInstanceIsChangedInPlace(t *testing.T) {
	g := NewWithT(t)
	f, own := newFake(t), ownership.Recorded("i1")
	var body string
	var headers http.Header
	f.on("GET /20160918/instances/i1", answer(200, `{"id":"i1","freeformTags":{"ours":"1","theirs":"2","old":"3","user_data":"x"}}`))
	f.on("PUT /20160918/instances/i1", sent(&body, &headers, "w1", `{"id":"i1","lifecycleState":"RUNNING","freeformTags":{"ours":"1"}}`))
	f.on("POST /20160918/instances/i1", sent(&body, &headers, "", `{"id":"i1"}`))
	f.on("PUT /20160918/bootVolumes/b1", sent(&body, &headers, "", `{"id":"b1","lifecycleState":"PROVISIONING","sizeInGBs":100}`))
	client := newClient(t, f)

	_, err := client.UpdateInstanceTags(t.Context(), own, map[string]string{"ours": "4", "new": "5"}, []string{"old"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(body).To(MatchJSON(`{"freeformTags":{"ours":"4","theirs":"2","new":"5","user_data":"x"}}`))

	work, err := client.ResizeInstance(t.Context(), own, 2, 12, "token")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(work).To(Equal("w1"))
	g.Expect(headers.Get("opc-retry-token")).To(Equal("token"))
	g.Expect(body).To(MatchJSON(`{"shapeConfig":{"ocpus":2,"memoryInGBs":12},"updateOperationConstraint":"ALLOW_DOWNTIME"}`))

	_, err = client.InstanceAction(t.Context(), own, oci.ActionSoftReset, "token")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(headers.Get("opc-retry-token")).To(Equal("token"))

	volume, err := client.GrowBootVolume(t.Context(), own.Part("b1"), 100)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(body).To(MatchJSON(`{"sizeInGBs":100}`))
	g.Expect(volume.GB).To(BeEquivalentTo(100))
}

func TestTheBootVolumeOfAnInstanceIsTheAttachedOne(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/bootVolumeAttachments", answer(200, `[{"bootVolumeId":"b1","instanceId":"i1","lifecycleState":"DETACHED"},
		{"bootVolumeId":"b2","instanceId":"i1","lifecycleState":"ATTACHED"}]`))
	f.on("GET /20160918/bootVolumes/b2", answer(200, `{"id":"b2","lifecycleState":"AVAILABLE","sizeInGBs":50}`))
	volume, found, err := newClient(t, f).BootVolumeAt(t.Context(), "AD-1", "i1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeTrue())
	g.Expect(volume.ID).To(Equal("b2"))
	g.Expect(volume.GB).To(BeEquivalentTo(50))
}

func TestWhatAWorkRequestTells(t *testing.T) {
	const path = "GET /20160918/workRequests/w1"
	for name, world := range map[string]struct {
		status, errors string
		want           oci.Work
		kind           cloud.Kind
	}{
		"it is under way":                   {status: "IN_PROGRESS"},
		"it has succeeded":                  {status: "SUCCEEDED", want: oci.Work{Done: true}},
		"it has failed for want of room":    {status: "FAILED", errors: `[{"code":"OutOfHostCapacity","message":"Out of host capacity."}]`, kind: cloud.OutOfCapacity},
		"it has failed without a word":      {status: "FAILED", errors: `[]`, kind: cloud.Unavailable},
		"somebody has given it up at OCI's": {status: "CANCELED", errors: `[]`, kind: cloud.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on(path, answer(200, `{"id":"w1","operationType":"UpdateInstance","status":"`+world.status+`"}`))
			f.on(path+"/errors", answer(200, world.errors))
			work, err := newClient(t, f).WorkOf(t.Context(), "w1")
			g.Expect(err).NotTo(HaveOccurred())
			if world.kind == "" {
				g.Expect(work).To(Equal(world.want))
				return
			}
			g.Expect(work.Done).To(BeTrue())
			g.Expect(work.Failure.Kind).To(Equal(world.kind))
		})
	}
}
