// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestWhichVolumesAreAskedFor(t *testing.T) {
	spec := infrav1.OCIMeshMachineSpec{
		BootVolume:  infrav1.BootVolume{SizeGB: 80},
		Image:       infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Oracle Linux"}},
		DataVolumes: []infrav1.DataVolume{{Name: "etcd", SizeGB: 60, MountPath: "/var/lib/etcd"}, {Name: "a", SizeGB: 50, MountPath: "/a"}},
	}
	g := NewWithT(t)
	g.Expect(VolumesOf(spec).String()).To(Equal("/=80 /var/lib/etcd=60 /a=50"))
	spec.BootVolume = infrav1.BootVolume{}
	g.Expect(VolumesOf(spec).String()).To(Equal("/var/lib/etcd=60 /a=50"))
	spec.BootVolume.SizeGB, spec.Image = 80, infrav1.Image{Name: "golden"}
	g.Expect(VolumesOf(spec).String()).To(Equal("/var/lib/etcd=60 /a=50"), "nobody knows how its root is laid out")
}

func TestOnlyASizeThatIsReachedIsNotLacking(t *testing.T) {
	wanted := Volumes{{"/", 80}, {"/data", 60}}
	for text, want := range map[string]struct{ lacking, left, problem string }{
		"/=80 /data=60":                      {"", "", ""},
		"/=90 /data=61":                      {"", "", ""},
		"":                                   {"/=80 /data=60", "", ""},
		"/=50 /data=60":                      {"/=80", "", ""},
		"/=80 /database=60":                  {"/data=60", "", ""},
		"/=80 failed /data: it is on /dev/x": {"/data=60", "", "/data: it is on /dev/x"},
		"/=80 /data=60:left failed /data: x": {"", "/data=60", "/data: x"},
		"/=80 /data=50:left failed /data: x": {"/data=60", "", "/data: x"},
		"failed /=80 /data=60":               {"/=80 /data=60", "", "/=80 /data=60"},
		"/=80 /data=many":                    {"/data=60", "", ""},
		"/=80 /data=60:right":                {"/data=60", "", ""},
		"/=80 /data=-60 /data":               {"/data=60", "", ""},
	} {
		t.Run(text, func(t *testing.T) {
			g := NewWithT(t)
			report := VolumesReportOf(text)
			g.Expect(report.Lacking(wanted).String()).To(Equal(want.lacking))
			g.Expect(report.Left(wanted).String()).To(Equal(want.left))
			g.Expect(report.Problem).To(Equal(want.problem))
		})
	}
}
