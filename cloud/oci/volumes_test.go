// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"errors"
	"net/http"
	"path"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

func TestVolumesThatAreLeft(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/volumes", answer(200, `[{"id":"d1","lifecycleState":"AVAILABLE","sizeInGBs":50},{"id":"d2","lifecycleState":"TERMINATED"}]`))
	f.on("GET /20160918/bootVolumeAttachments", answer(200, `[
		{"bootVolumeId":"b1","instanceId":"i","lifecycleState":"DETACHED"},{"bootVolumeId":"b2","instanceId":"i","lifecycleState":"DETACHED"},
		{"bootVolumeId":"b3","instanceId":"another","lifecycleState":"ATTACHED"}]`))
	f.on("GET /20160918/bootVolumes", answer(200, `[{"id":"b1","lifecycleState":"TERMINATING"},{"id":"b2","lifecycleState":"TERMINATED"},
		{"id":"b3","lifecycleState":"AVAILABLE"}]`))
	f.on("DELETE /20160918/volumes/d1", answer(204, ""))
	f.on("DELETE /20160918/bootVolumes/b1", answer(204, ""))
	client := newClient(t, f)

	data, err := client.DataVolumes(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(data).To(HaveLen(1))
	g.Expect(data[0].GB).To(Equal(int64(50)))
	boots, err := client.BootVolumesOf(t.Context(), "AD-1", "i", time.Now(), time.Hour)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(boots).To(HaveLen(1))
	g.Expect(boots[0].ID).To(Equal("b1"))

	g.Expect(client.DeleteDataVolume(t.Context(), ownership.Recorded(data[0].ID))).To(Succeed())
	g.Expect(client.DeleteBootVolume(t.Context(), ownership.Recorded(boots[0].ID))).To(Succeed())
}

func TestListsOfVolumesAreSharedForAsLongAsTheyAreNewEnough(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/volumes", answer(200, `[{"id":"d1","lifecycleState":"AVAILABLE"}]`))
	f.on("GET /20160918/bootVolumeAttachments", answer(200, `[{"bootVolumeId":"b1","instanceId":"i","lifecycleState":"DETACHED"}]`))
	f.on("GET /20160918/bootVolumes", answer(200, `[{"id":"b1","lifecycleState":"AVAILABLE"}]`))
	client := newClient(t, f)
	ended := time.Now()
	for _, instance := range []string{"i", "j", "k"} {
		_, err := client.BootVolumesOf(t.Context(), "AD-1", instance, ended, time.Hour)
		g.Expect(err).NotTo(HaveOccurred())
		_, err = client.DataVolumesSince(t.Context(), ended, time.Hour)
		g.Expect(err).NotTo(HaveOccurred())
	}
	var lists []string
	for _, request := range f.seen() {
		lists = append(lists, path.Base(request.path))
	}
	// One list of volumes for each state but TERMINATED.
	g.Expect(lists).To(Equal([]string{"bootVolumes", "bootVolumeAttachments", "volumes", "volumes", "volumes", "volumes", "volumes"}))
	for i, state := range []string{"PROVISIONING", "RESTORING", "AVAILABLE", "FAULTY", "TERMINATING"} {
		g.Expect(f.seen()[2+i].query).To(HaveKeyWithValue("lifecycleState", []string{state}))
	}
	g.Expect(f.seen()[0].query).To(And(
		HaveKeyWithValue("availabilityDomain", []string{"AD-1"}), Not(HaveKey("instanceId")), HaveKeyWithValue("limit", []string{"1000"})))

	f.on("GET /20160918/bootVolumes", answer(200, `[]`))
	boots, err := client.BootVolumesOf(t.Context(), "AD-1", "i", time.Now(), time.Hour)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(boots).To(BeEmpty())
	_, err = client.BootVolumesOf(t.Context(), "AD-2", "i", ended, time.Hour)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.seen()[8].query).To(HaveKeyWithValue("availabilityDomain", []string{"AD-2"}), "each domain has its own list")
}

func TestAttachmentsAreAskedForWhereAVolumeMayBeTheInstances(t *testing.T) {
	const learned = `[{"bootVolumeId":"b1","instanceId":"i","lifecycleState":"ATTACHED"},
		{"bootVolumeId":"b2","instanceId":"j","lifecycleState":"ATTACHING"},{"bootVolumeId":"b3","instanceId":"k","lifecycleState":"DETACHED"}]`
	for name, world := range map[string]struct {
		volumes, attachments string
		asked                int
		left                 []string
	}{
		"nothing is there":                     {volumes: `[]`},
		"what there is was attached to others": {volumes: `[{"id":"b1","lifecycleState":"TERMINATED"},{"id":"b2","lifecycleState":"AVAILABLE"}]`},
		"its own is left":                      {volumes: `[{"id":"b1","lifecycleState":"AVAILABLE"},{"id":"b2","lifecycleState":"AVAILABLE"}]`, left: []string{"b1"}},
		"it was given another one": {
			volumes:     `[{"id":"b2","lifecycleState":"AVAILABLE"},{"id":"new","lifecycleState":"AVAILABLE"}]`,
			attachments: `[{"bootVolumeId":"new","instanceId":"i","lifecycleState":"DETACHED"}]`, asked: 1, left: []string{"new"},
		},
		"it was given one that nobody had": {
			volumes:     `[{"id":"b3","lifecycleState":"TERMINATING"}]`,
			attachments: `[{"bootVolumeId":"b3","instanceId":"i","lifecycleState":"DETACHED"}]`, asked: 1, left: []string{"b3"},
		},
		"another instance is new": {
			volumes:     `[{"id":"new","lifecycleState":"AVAILABLE"}]`,
			attachments: `[{"bootVolumeId":"new","instanceId":"l","lifecycleState":"ATTACHED"}]`, asked: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on("GET /20160918/bootVolumeAttachments", answer(200, learned))
			client := newClient(t, f)
			g.Expect(client.LearnBootVolumes(t.Context(), "AD-1")).To(Succeed())
			f.on("GET /20160918/bootVolumeAttachments", answer(200, world.attachments))
			f.on("GET /20160918/bootVolumes", answer(200, world.volumes))

			volumes, err := client.BootVolumesOf(t.Context(), "AD-1", "i", time.Now(), time.Hour)

			g.Expect(err).NotTo(HaveOccurred())
			var left []string
			for _, volume := range volumes {
				left = append(left, volume.ID)
			}
			g.Expect(left).To(Equal(world.left))
			g.Expect(f.seen()).To(HaveLen(2 + world.asked))
		})
	}
}

func TestAListOfVolumesIsReadAnewForWhoWaits(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/volumes", answer(200, `[{"id":"d1","lifecycleState":"TERMINATING"}]`))
	client := newClient(t, f)
	ended := time.Now()
	left, err := client.DataVolumesSince(t.Context(), ended, time.Hour)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(HaveLen(1))

	f.on("GET /20160918/volumes", answer(200, `[]`))
	g.Eventually(func() ([]oci.Volume, error) { return client.DataVolumesSince(t.Context(), ended, 0) }, time.Minute).Should(BeEmpty())
}

func TestAListOfVolumesThatFailsProvesNothing(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/bootVolumeAttachments", answer(200, `[]`))
	f.on("GET /20160918/bootVolumes", answer(404, `{"code":"NotAuthorizedOrNotFound","message":"x"}`))
	client := newClient(t, f)
	ended := time.Now()
	for range 2 {
		_, err := client.BootVolumesOf(t.Context(), "AD-1", "i", ended, time.Hour)
		g.Expect(cloud.KindOf(err)).To(Equal(cloud.NotFoundOrUnauthorized))
	}
}

func TestNobodyWaitsLongForAnothersList(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	asked, release, once := make(chan struct{}), make(chan struct{}), sync.Once{}
	f.on("GET /20160918/volumes", func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(asked) })
		<-release
		answer(200, `[]`)(w, r)
	})
	client := newClient(t, f)
	ended := time.Now()
	first := make(chan error, 1)
	go func() {
		_, err := client.DataVolumesSince(t.Context(), ended, time.Hour)
		first <- err
	}()
	<-asked
	_, err := client.DataVolumesSince(t.Context(), ended, time.Hour)
	var waits *cloud.Error
	g.Expect(errors.As(err, &waits)).To(BeTrue())
	g.Expect(waits.Kind).To(Equal(cloud.Throttled))
	g.Expect(waits.NotSent).To(BeTrue())
	g.Expect(waits.RetryAfter).To(Equal(2 * time.Second))
	close(release)
	g.Expect(<-first).NotTo(HaveOccurred())
}

func TestDataVolumeAttachments(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/volumeAttachments", answer(200, `[
		{"attachmentType":"paravirtualized","volumeId":"d1","instanceId":"i","device":"/dev/oracleoci/oraclevdb","lifecycleState":"DETACHED"},
		{"attachmentType":"of-the-future","volumeId":"d2","instanceId":"i","lifecycleState":"ATTACHED"}]`))

	got, err := newClient(t, f).DataVolumeAttachments(t.Context(), "i")

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(ConsistOf(
		oci.VolumeAttachment{VolumeID: "d1", InstanceID: "i", Device: "/dev/oracleoci/oraclevdb", State: oci.StateDetached},
		oci.VolumeAttachment{VolumeID: "d2", InstanceID: "i", State: oci.StateAttached},
	))
}
