// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package apivalidations

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func goodMachine() *infrav1.OCIMeshMachine {
	return &infrav1.OCIMeshMachine{ObjectMeta: namespaced(), Spec: infrav1.OCIMeshMachineSpec{
		Shapes: []infrav1.Shape{
			{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12},
			{Name: "VM.Standard.E2.1.Micro"},
		},
		Image: infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Canonical Ubuntu", Version: "24.04"}},
		DataVolumes: []infrav1.DataVolume{
			{Name: "etcd", SizeGB: 50, MountPath: "/var/lib/etcd"},
		},
	}}
}

func TestAMachinesDefaults(t *testing.T) {
	g := NewWithT(t)
	machine := created(t, goodMachine())
	g.Expect(machine.Spec.Bootstrap).To(Equal(infrav1.BootstrapInstall))
	g.Expect(machine.Spec.Tailscale).To(Equal(infrav1.Tailscale{Source: infrav1.TailscalePackages}))
	g.Expect(machine.Spec.DataVolumes).To(Equal([]infrav1.DataVolume{
		{Name: "etcd", SizeGB: 50, VPUsPerGB: 10, FileSystem: "ext4", MountPath: "/var/lib/etcd"},
	}))
}

func TestOCIMeshMachinesAreRefusedWithTheReason(t *testing.T) {
	expectRefusals(t, goodMachine, []refusal[*infrav1.OCIMeshMachine]{
		{"no shape", func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes = nil }, "spec.shapes"},
		{"a flexible shape without OCPUs", func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes[0].OCPUs = 0 }, "ocpus must be set for shapes that end in .Flex"},
		{"a flexible shape without memory", func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes[0].MemoryGB = 0 }, "memoryGB must be set for shapes that end in .Flex"},
		{"a fixed shape with OCPUs", func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes[1].OCPUs = 1 }, "and only for them"},
		{"something that is no shape", func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes[1].Name = "t3.micro" }, "shape names start with VM. or BM."},
		{"no image", func(m *infrav1.OCIMeshMachine) { m.Spec.Image = infrav1.Image{} }, "spec.image"},
		{"two images", func(m *infrav1.OCIMeshMachine) { m.Spec.Image.Name = "mine" }, "exactly one of id, name and platform must be set"},
		{"an image's name in place of its OCID", func(m *infrav1.OCIMeshMachine) { m.Spec.Image = infrav1.Image{ID: "Ubuntu"} }, "id must be an image's OCID"},
		{"an operating system that the user data does not know", func(m *infrav1.OCIMeshMachine) { m.Spec.Image.Platform.OperatingSystem = "Windows" }, "Unsupported value"},
		{"both names and a selector of accounts", func(m *infrav1.OCIMeshMachine) {
			m.Spec.Accounts = infrav1.AccountSelection{Names: []string{"alice"}, Selector: &metav1.LabelSelector{}}
		}, "exactly one of names and selector must be set"},
		{"a boot volume smaller than OCI makes", func(m *infrav1.OCIMeshMachine) { m.Spec.BootVolume.SizeGB = 20 }, "greater than or equal to 50"},
		{"two volumes at one place", func(m *infrav1.OCIMeshMachine) {
			m.Spec.DataVolumes = append(m.Spec.DataVolumes, infrav1.DataVolume{Name: "more", SizeGB: 50, MountPath: "/var/lib/etcd"})
		}, "two data volumes cannot have the same mountPath"},
		{"a relative mount path", func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].MountPath = "var/lib/etcd" }, "mountPath must be an absolute path"},
		{"a mount path with a step back", func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].MountPath = "/var/../etc" }, "mountPath must be an absolute path"},
		{"a mount path for the shell", func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].MountPath = "/data;reboot" }, "mountPath must be an absolute path"},
		{"an unknown file system", func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].FileSystem = "zfs" }, "Unsupported value"},
		{"a data volume on bare metal", func(m *infrav1.OCIMeshMachine) {
			m.Spec.Shapes = append(m.Spec.Shapes, infrav1.Shape{Name: "BM.Standard.E4.128"})
		}, "bare metal takes no dataVolumes"},
		{"a boot volume of ultra-high performance on bare metal", func(m *infrav1.OCIMeshMachine) {
			m.Spec.DataVolumes, m.Spec.Shapes = nil, []infrav1.Shape{{Name: "BM.Standard.E4.128"}}
			m.Spec.BootVolume.VPUsPerGB = 30
		}, "at most 20 vpusPerGB"},
		{"a data volume of ultra-high performance", func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].VPUsPerGB = 30 }, "vpusPerGB of a data volume must be 10 or 20"},
		{"the highest performance", func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].VPUsPerGB = 120 }, "vpusPerGB of a data volume must be 10 or 20"},
		{"one shape in two sizes", func(m *infrav1.OCIMeshMachine) {
			m.Spec.Shapes = append(m.Spec.Shapes, infrav1.Shape{Name: m.Spec.Shapes[0].Name, OCPUs: 1, MemoryGB: 6})
		}, "a shape can be named once"},
		{"an unknown bootstrap mode", func(m *infrav1.OCIMeshMachine) { m.Spec.Bootstrap = "Ignition" }, "Unsupported value"},
	})
}

func TestTailscaleOfAMachineIsRefusedWithTheReason(t *testing.T) {
	expectRefusals(t, goodMachine, []refusal[*infrav1.OCIMeshMachine]{
		{"a version of an image's tailscale", func(m *infrav1.OCIMeshMachine) {
			m.Spec.Tailscale = infrav1.Tailscale{Source: infrav1.TailscalePreinstalled, Version: "1.98.4"}
		}, "version is for source Packages"},
		{"a version of a mirror's tailscale", func(m *infrav1.OCIMeshMachine) {
			m.Spec.Tailscale = infrav1.Tailscale{Source: infrav1.TailscaleMirror, Version: "1.98.4", Mirror: []infrav1.TailscaleArchive{
				{Architecture: "arm64", URL: "https://mirror.example.com/t.tgz", SHA256: strings.Repeat("a", 64)}}}
		}, "version is for source Packages"},
		{"a mirror without archives", func(m *infrav1.OCIMeshMachine) { m.Spec.Tailscale.Source = infrav1.TailscaleMirror }, "mirror must be set for source Mirror and only then"},
		{"archives without a mirror", func(m *infrav1.OCIMeshMachine) {
			m.Spec.Tailscale.Mirror = []infrav1.TailscaleArchive{{Architecture: "arm64", URL: "https://mirror.example.com/t.tgz", SHA256: strings.Repeat("a", 64)}}
		}, "mirror must be set for source Mirror and only then"},
		{"a checksum that is none", func(m *infrav1.OCIMeshMachine) {
			m.Spec.Tailscale = infrav1.Tailscale{Source: infrav1.TailscaleMirror, Mirror: []infrav1.TailscaleArchive{
				{Architecture: "arm64", URL: "https://mirror.example.com/t.tgz", SHA256: strings.Repeat("x", 64)}}}
		}, "sha256 must be 64 lower-case hexadecimal digits"},
		{"a tailscale version that is none", func(m *infrav1.OCIMeshMachine) { m.Spec.Tailscale.Version = "latest" }, "version must have the form 1.98.4"},
	})
}

func TestTagsOfAMachineAreRefusedWithTheReason(t *testing.T) {
	expectRefusals(t, goodMachine, []refusal[*infrav1.OCIMeshMachine]{
		{"a tag of the provider's", func(m *infrav1.OCIMeshMachine) { m.Spec.Tags = map[string]string{infrav1.MachineUIDTag: "x"} }, "tags that start with ocimesh- are the provider's own"},
		{"more tags than OCI takes beside the provider's", func(m *infrav1.OCIMeshMachine) {
			m.Spec.Tags = map[string]string{"a": "", "b": "", "c": "", "d": "", "e": "", "f": ""}
		}, "must have at most 5 items"},
		{"a tag with a name that is too long", func(m *infrav1.OCIMeshMachine) {
			m.Spec.Tags = map[string]string{strings.Repeat("k", 101): "x"}
		}, "names of tags have 1 to 100 characters"},
		{"a tag with a value that is too long", func(m *infrav1.OCIMeshMachine) {
			m.Spec.Tags = map[string]string{"team": strings.Repeat("v", 257)}
		}, "names of tags have 1 to 100 characters"},
	})
}

func TestOCIMeshMachinesWithWhatOCIDelivers(t *testing.T) {
	accepted := map[string]func(*infrav1.OCIMeshMachine){
		"bare metal with a boot volume": func(m *infrav1.OCIMeshMachine) {
			m.Spec.DataVolumes, m.Spec.Shapes = nil, []infrav1.Shape{{Name: "BM.Standard.E4.128"}}
			m.Spec.BootVolume = infrav1.BootVolume{SizeGB: 200, VPUsPerGB: 20}
		},
		"a virtual machine with a boot volume of ultra-high performance": func(m *infrav1.OCIMeshMachine) { m.Spec.BootVolume.VPUsPerGB = 120 },
		"a data volume of higher performance":                            func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].VPUsPerGB = 20 },
		"a version from packages":                                        func(m *infrav1.OCIMeshMachine) { m.Spec.Tailscale.Version = "1.98.4" },
	}
	for name, change := range accepted {
		t.Run(name, func(t *testing.T) {
			machine := goodMachine()
			change(machine)
			created(t, machine)
		})
	}
}

func TestOCIMeshMachinesKeepWhatOCICannotChange(t *testing.T) {
	expectRefusedUpdates(t, goodMachine, []refusal[*infrav1.OCIMeshMachine]{
		{"another shape", func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes[1].Name = "VM.Standard2.1" }, "the names of shapes, image and accounts are immutable"},
		{"another size, before it runs", func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes[0].OCPUs = 4 }, "immutable until the machine is provisioned"},
		{"another image", func(m *infrav1.OCIMeshMachine) { m.Spec.Image.Platform.Version = "22.04" }, "shapes, image and accounts are immutable"},
		{"other accounts", func(m *infrav1.OCIMeshMachine) { m.Spec.Accounts.Names = []string{"bob"} }, "shapes, image and accounts are immutable"},
		{"a larger boot volume", func(m *infrav1.OCIMeshMachine) { m.Spec.BootVolume.SizeGB = 100 }, "immutable until the machine is provisioned"},
		{"a larger data volume", func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].SizeGB += 10 }, "immutable until the machine is provisioned"},
		{"no data volume any more", func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes = nil }, "dataVolumes and their order are immutable"},
		{"preemptible", func(m *infrav1.OCIMeshMachine) { m.Spec.Preemptible = ptr.To(true) }, "are immutable: change the template instead"},
		{"other tags", func(m *infrav1.OCIMeshMachine) { m.Spec.Tags = map[string]string{"team": "a"} }, "immutable until the machine is provisioned"},
		{"another tailscale", func(m *infrav1.OCIMeshMachine) { m.Spec.Tailscale.Version = "1.98.4" }, "immutable until the machine is provisioned"},
		{"a provider ID for the first time", func(m *infrav1.OCIMeshMachine) { m.Spec.ProviderID = "oci://ocid1.instance.oc1..a" }, ""},
		{"labels", func(m *infrav1.OCIMeshMachine) { m.Labels = map[string]string{"a": "b"} }, ""},
	})
}

func TestAProvisionedOCIMeshMachineTakesWhatCanBeChangedInPlace(t *testing.T) {
	const template = "change the template instead"
	for name, change := range map[string]struct {
		change func(*infrav1.OCIMeshMachine)
		want   string
	}{
		"another size":          {func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes[0].OCPUs, m.Spec.Shapes[0].MemoryGB = 4, 24 }, ""},
		"other tags":            {func(m *infrav1.OCIMeshMachine) { m.Spec.Tags = map[string]string{"team": "a"} }, ""},
		"a larger boot volume":  {func(m *infrav1.OCIMeshMachine) { m.Spec.BootVolume.SizeGB = 101 }, ""},
		"a smaller boot volume": {func(m *infrav1.OCIMeshMachine) { m.Spec.BootVolume.SizeGB = 99 }, template},
		"no boot volume":        {func(m *infrav1.OCIMeshMachine) { m.Spec.BootVolume = infrav1.BootVolume{} }, template},
		"a faster boot volume":  {func(m *infrav1.OCIMeshMachine) { m.Spec.BootVolume.VPUsPerGB = 20 }, template},
		"a larger data volume":  {func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].SizeGB = 100 }, ""},
		"a smaller data volume": {func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].SizeGB-- }, template},
		"a faster data volume":  {func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].VPUsPerGB = 20 }, template},
		"a data volume that is larger and elsewhere": {func(m *infrav1.OCIMeshMachine) {
			m.Spec.DataVolumes[0].SizeGB, m.Spec.DataVolumes[0].MountPath = 100, "/elsewhere"
		}, template},
		"another name of a data volume":        {func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].Name = "other" }, template},
		"another file system of a data volume": {func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].FileSystem = "xfs" }, template},
		"another order of data volumes":        {func(m *infrav1.OCIMeshMachine) { slices.Reverse(m.Spec.DataVolumes) }, template},
		"a data volume more": {func(m *infrav1.OCIMeshMachine) {
			m.Spec.DataVolumes = append(m.Spec.DataVolumes, infrav1.DataVolume{Name: "more", SizeGB: 50, MountPath: "/more"})
		}, template},
		"another shape":     {func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes[1].Name = "VM.Standard2.1" }, template},
		"a shape less":      {func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes = m.Spec.Shapes[:1] }, template},
		"another tailscale": {func(m *infrav1.OCIMeshMachine) { m.Spec.Tailscale.Version = "1.98.4" }, ""},
		"a tailscale of the image": {func(m *infrav1.OCIMeshMachine) {
			m.Spec.Tailscale = infrav1.Tailscale{Source: infrav1.TailscalePreinstalled}
		}, template},
	} {
		t.Run(name, func(t *testing.T) {
			machine := goodMachine()
			machine.Spec.ProviderID = "oci://ocid1.instance.oc1..a"
			machine.Spec.BootVolume.SizeGB = 100
			machine.Spec.DataVolumes = []infrav1.DataVolume{
				{Name: "etcd", SizeGB: 60, MountPath: "/var/lib/etcd"}, {Name: "logs", SizeGB: 60, MountPath: "/logs"},
			}
			machine = created(t, machine)
			change.change(machine)
			err := apiServer.Update(t.Context(), machine)
			if change.want == "" {
				NewWithT(t).Expect(err).NotTo(HaveOccurred())
				return
			}
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(change.want)))
		})
	}
}

func TestAProviderIDIsKeptOnceSet(t *testing.T) {
	provisioned := func() *infrav1.OCIMeshMachine {
		machine := goodMachine()
		machine.Spec.ProviderID = "oci://ocid1.instance.oc1..a"
		return machine
	}
	expectRefusedUpdates(t, provisioned, []refusal[*infrav1.OCIMeshMachine]{
		{"another instance", func(m *infrav1.OCIMeshMachine) { m.Spec.ProviderID = "oci://ocid1.instance.oc1..b" }, "providerID is immutable once set"},
		{"no instance", func(m *infrav1.OCIMeshMachine) { m.Spec.ProviderID = "" }, "providerID is immutable once set"},
	})
}

func TestAMachineTemplateIsCheckedLikeAMachine(t *testing.T) {
	g := NewWithT(t)
	template := &infrav1.OCIMeshMachineTemplate{ObjectMeta: namespaced()}
	template.Spec.Template.Spec = goodMachine().Spec
	created(t, template.DeepCopy())

	template.Spec.Template.Spec.Shapes[0].OCPUs = 0
	g.Expect(apiServer.Create(t.Context(), template)).To(MatchError(ContainSubstring("ocpus must be set")))
}
