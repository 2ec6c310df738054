// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/fields"
)

func specOf(t *testing.T, change func(*infrav1.OCIMeshMachineSpec)) map[string]any {
	t.Helper()
	spec := infrav1.OCIMeshMachineSpec{
		Shapes: []infrav1.Shape{{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12}, {Name: "VM.Standard.E2.1.Micro"}},
		Image:  infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Canonical Ubuntu", Version: "24.04"}},
		Tags:   map[string]string{"team": "red"}, BootVolume: infrav1.BootVolume{SizeGB: 50, VPUsPerGB: 10},
		DataVolumes: []infrav1.DataVolume{{Name: "data", SizeGB: 50, MountPath: "/data"}},
		Bootstrap:   infrav1.BootstrapInstall, Tailscale: infrav1.Tailscale{Source: infrav1.TailscalePackages},
	}
	change(&spec)
	text, err := json.Marshal(spec)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var out map[string]any
	NewWithT(t).Expect(json.Unmarshal(text, &out)).To(Succeed())
	return out
}

func same(*infrav1.OCIMeshMachineSpec) {}

// change is one of a machine, and what of it is taken over.
type change struct {
	from, to func(*infrav1.OCIMeshMachineSpec)
	want     string
}

func expectTaken(t *testing.T, worlds map[string]change) {
	t.Helper()
	for name, world := range worlds {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			taken, err := Infrastructure("/spec", specOf(t, world.from), specOf(t, world.to), true)
			g.Expect(err).NotTo(HaveOccurred())
			patch, err := json.Marshal(taken)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(patch).To(MatchJSON(world.want))
		})
	}
}

func TestWhatIsTakenOverOfAChangedMachine(t *testing.T) {
	type spec = infrav1.OCIMeshMachineSpec
	yes := true
	expectTaken(t, map[string]change{
		"nothing has changed": {same, same, "null"},
		"another tag": {same, func(s *spec) { s.Tags = map[string]string{"team": "blue"} },
			`[{"op":"add","path":"/spec/tags","value":{"team":"blue"}}]`},
		"a tag less": {func(s *spec) { s.Tags["room"] = "4" }, same,
			`[{"op":"add","path":"/spec/tags","value":{"team":"red"}}]`},
		"no tags": {same, func(s *spec) { s.Tags = nil }, `[{"op":"remove","path":"/spec/tags"}]`},
		"another size": {same, func(s *spec) { s.Shapes[0].OCPUs = 4 },
			`[{"op":"add","path":"/spec/shapes","value":[{"name":"VM.Standard.A1.Flex","ocpus":4,"memoryGB":12},{"name":"VM.Standard.E2.1.Micro"}]}]`},
		"less memory": {same, func(s *spec) { s.Shapes[0].MemoryGB = 6 },
			`[{"op":"add","path":"/spec/shapes","value":[{"name":"VM.Standard.A1.Flex","ocpus":2,"memoryGB":6},{"name":"VM.Standard.E2.1.Micro"}]}]`},
		"another size, and another shape": {same, func(s *spec) { s.Shapes[0].OCPUs, s.Shapes[1].Name = 4, "VM.Standard2.1" }, "null"},
		"a shape more":                    {same, func(s *spec) { s.Shapes = append(s.Shapes, infrav1.Shape{Name: "VM.Standard2.1"}) }, "null"},
		"another order of shapes":         {same, func(s *spec) { s.Shapes[0], s.Shapes[1] = s.Shapes[1], s.Shapes[0] }, "null"},
		"another size of a preemptible one": {func(s *spec) { s.Preemptible = &yes },
			func(s *spec) { s.Preemptible, s.Shapes[0].OCPUs = &yes, 4 }, "null"},
		"another policy for stops": {same, func(s *spec) { s.OnStop = infrav1.StopLeave }, `[{"op":"add","path":"/spec/onStop","value":"Leave"}]`},
		"a later tailscale": {func(s *spec) { s.Tailscale.Version = "1.98.4" }, func(s *spec) { s.Tailscale.Version = "1.102.3" },
			`[{"op":"add","path":"/spec/tailscale","value":{"source":"Packages","version":"1.102.3"}}]`},
		"a tailscale of one's own choice": {same, func(s *spec) { s.Tailscale.Version = "1.102.3" },
			`[{"op":"add","path":"/spec/tailscale","value":{"source":"Packages","version":"1.102.3"}}]`},
		"an earlier tailscale":     {func(s *spec) { s.Tailscale.Version = "1.102.3" }, func(s *spec) { s.Tailscale.Version = "1.98.4" }, "null"},
		"the tested tailscale":     {func(s *spec) { s.Tailscale.Version = "1.102.3" }, same, "null"},
		"a tailscale of the image": {same, func(s *spec) { s.Tailscale = infrav1.Tailscale{Source: infrav1.TailscalePreinstalled} }, "null"},
		"tags with what needs another machine": {same, func(s *spec) { s.Tags, s.Image.Platform.Version = nil, "26.04" },
			`[{"op":"remove","path":"/spec/tags"}]`},
	})
}

func TestWhichVolumesOfAChangedMachineGrow(t *testing.T) {
	type spec = infrav1.OCIMeshMachineSpec
	yes := true
	bareMetal := []infrav1.Shape{{Name: "BM.Standard.A1.160"}}
	second := infrav1.DataVolume{Name: "b", SizeGB: 50, MountPath: "/b"}
	expectTaken(t, map[string]change{
		"a larger boot volume": {same, func(s *spec) { s.BootVolume.SizeGB = 80 },
			`[{"op":"add","path":"/spec/bootVolume","value":{"sizeGB":80,"vpusPerGB":10}}]`},
		"a boot volume larger than the image's": {func(s *spec) { s.BootVolume = infrav1.BootVolume{} },
			func(s *spec) { s.BootVolume = infrav1.BootVolume{SizeGB: 80} },
			`[{"op":"add","path":"/spec/bootVolume","value":{"sizeGB":80}}]`},
		"a smaller boot volume": {same, func(s *spec) { s.BootVolume.SizeGB = 40 }, "null"},
		"a boot volume that is larger and faster": {same,
			func(s *spec) { s.BootVolume = infrav1.BootVolume{SizeGB: 80, VPUsPerGB: 20} }, "null"},
		"a larger boot volume of Oracle Linux": {func(s *spec) { s.Image.Platform.OperatingSystem = "Oracle Linux" },
			func(s *spec) { s.Image.Platform.OperatingSystem, s.BootVolume.SizeGB = "Oracle Linux", 80 },
			`[{"op":"add","path":"/spec/bootVolume","value":{"sizeGB":80,"vpusPerGB":10}}]`},
		"a larger boot volume of bare metal": {func(s *spec) { s.Shapes = bareMetal },
			func(s *spec) { s.Shapes, s.BootVolume.SizeGB = bareMetal, 80 }, "null"},
		"a larger boot volume of a preemptible one": {func(s *spec) { s.Preemptible = &yes },
			func(s *spec) { s.Preemptible, s.BootVolume.SizeGB = &yes, 80 }, "null"},
		"a larger boot volume of an image of one's own": {func(s *spec) { s.Image = infrav1.Image{Name: "golden"} },
			func(s *spec) { s.Image, s.BootVolume.SizeGB = infrav1.Image{Name: "golden"}, 80 }, "null"},
		"a larger data volume": {same, func(s *spec) { s.DataVolumes[0].SizeGB = 60 },
			`[{"op":"add","path":"/spec/dataVolumes","value":[{"name":"data","sizeGB":60,"mountPath":"/data"}]}]`},
		"a smaller data volume":                   {same, func(s *spec) { s.DataVolumes[0].SizeGB = 49 }, "null"},
		"a data volume larger and elsewhere":      {same, func(s *spec) { s.DataVolumes[0].SizeGB, s.DataVolumes[0].MountPath = 60, "/b" }, "null"},
		"a data volume larger and faster":         {same, func(s *spec) { s.DataVolumes[0].SizeGB, s.DataVolumes[0].VPUsPerGB = 60, 20 }, "null"},
		"a data volume larger under another name": {same, func(s *spec) { s.DataVolumes[0].SizeGB, s.DataVolumes[0].Name = 60, "b" }, "null"},
		"a larger data volume and one more": {same, func(s *spec) {
			s.DataVolumes[0].SizeGB = 60
			s.DataVolumes = append(s.DataVolumes, infrav1.DataVolume{Name: "b", SizeGB: 50, MountPath: "/b"})
		}, "null"},
		"larger data volumes in another order": {func(s *spec) { s.DataVolumes = append(s.DataVolumes, second) },
			func(s *spec) {
				s.DataVolumes = append([]infrav1.DataVolume{second}, s.DataVolumes...)
				s.DataVolumes[0].SizeGB = 60
			}, "null"},
		"one data volume larger and one smaller": {func(s *spec) { s.DataVolumes = append(s.DataVolumes, second) },
			func(s *spec) {
				s.DataVolumes = append(s.DataVolumes, second)
				s.DataVolumes[0].SizeGB, s.DataVolumes[1].SizeGB = 60, 49
			}, "null"},
		"a larger data volume of a preemptible one": {func(s *spec) { s.Preemptible = &yes },
			func(s *spec) { s.Preemptible, s.DataVolumes[0].SizeGB = &yes, 60 }, "null"},
	})
}

func TestWhatTheAgentDoesNeedsAnotherMachineWithoutOne(t *testing.T) {
	type spec = infrav1.OCIMeshMachineSpec
	oracle := func(s *spec) { s.Image.Platform.OperatingSystem = "Oracle Linux" }
	for name, world := range map[string]struct {
		from, to func(*spec)
		taken    int
	}{
		"tailscale":                          {same, func(s *spec) { s.Tailscale.Version = "1.104.0" }, 0},
		"a data volume":                      {same, func(s *spec) { s.DataVolumes[0].SizeGB = 60 }, 0},
		"Oracle Linux's boot volume":         {oracle, func(s *spec) { oracle(s); s.BootVolume.SizeGB = 80 }, 0},
		"Ubuntu's boot volume, by a restart": {same, func(s *spec) { s.BootVolume.SizeGB = 80 }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			taken, err := Infrastructure("/spec", specOf(t, world.from), specOf(t, world.to), false)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(taken).To(HaveLen(world.taken))
		})
	}
}

// taken are the fields of a machine's spec that are taken over, by what changes them.
var taken = map[string]func(*infrav1.OCIMeshMachineSpec){
	"Tags":               func(s *infrav1.OCIMeshMachineSpec) { s.Tags = nil },
	"OnStop":             func(s *infrav1.OCIMeshMachineSpec) { s.OnStop = infrav1.StopLeave },
	"Shapes.OCPUs":       func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].OCPUs = 4 },
	"Shapes.MemoryGB":    func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].MemoryGB = 24 },
	"BootVolume.SizeGB":  func(s *infrav1.OCIMeshMachineSpec) { s.BootVolume.SizeGB = 80 },
	"DataVolumes.SizeGB": func(s *infrav1.OCIMeshMachineSpec) { s.DataVolumes[0].SizeGB = 60 },
	"Tailscale.Version":  func(s *infrav1.OCIMeshMachineSpec) { s.Tailscale.Version = "1.102.3" },
}

// A field that comes to the API later is not taken over by accident, alone or with its neighbours:
// Cluster API would be told that it is done.
func TestEveryOtherFieldNeedsAnotherMachine(t *testing.T) {
	type spec = infrav1.OCIMeshMachineSpec
	leaves := fields.Leaves(reflect.TypeFor[spec](), nil)
	for path := range taken {
		NewWithT(t).Expect(leaves).To(ContainElement(path), "it is no field of a machine's spec")
	}
	for _, path := range leaves {
		if taken[path] != nil {
			continue
		}
		of, _, _ := strings.Cut(path, ".")
		field, _ := reflect.TypeFor[spec]().FieldByName(of)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			to := specOf(t, func(s *spec) {
				for _, change := range taken {
					change(s)
				}
				fields.Fill(fields.At(reflect.ValueOf(s).Elem(), path))
			})
			operations, err := Infrastructure("/spec", specOf(t, same), to, true)
			g.Expect(err).NotTo(HaveOccurred())
			for _, operation := range operations {
				g.Expect(operation.Path).NotTo(Equal("/spec/"+name), "it is said that another %s needs no other machine", path)
			}
		})
	}
}

func TestASpecThatIsNoneIsRefused(t *testing.T) {
	g := NewWithT(t)
	_, err := Infrastructure("/spec", map[string]any{"shapes": "many"}, map[string]any{}, true)
	g.Expect(err).To(MatchError(ContainSubstring("current spec")))
	_, err = Infrastructure("/spec", map[string]any{}, map[string]any{"tags": 3}, true)
	g.Expect(err).To(MatchError(ContainSubstring("desired spec")))
}
