// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package apivalidations

import (
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/fields"
)

// inPlace are the fields of a provisioned machine that may change, and what is then done.
var inPlace = map[string]string{
	"Shapes.OCPUs": "the instance is resized", "Shapes.MemoryGB": "the instance is resized",
	"BootVolume.SizeGB": "the volume grows", "DataVolumes.SizeGB": "the volume grows",
	"Tailscale.Version": "the node's agent installs it", "Tags": "they are set on the instance", "OnStop": "it is read at the next stop",
}

// others are changes of all other fields, in themselves valid.
var others = map[string]func(*infrav1.OCIMeshMachineSpec){
	"ProviderID":     func(s *infrav1.OCIMeshMachineSpec) { s.ProviderID = "oci://ocid1.instance.oc1..b" },
	"Accounts.Names": func(s *infrav1.OCIMeshMachineSpec) { s.Accounts.Names = []string{"bob"} },
	"Accounts.Selector": func(s *infrav1.OCIMeshMachineSpec) {
		s.Accounts = infrav1.AccountSelection{Selector: &metav1.LabelSelector{}}
	},
	"Shapes.Name":                    func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[1].Name = "VM.Standard2.1" },
	"Image.ID":                       func(s *infrav1.OCIMeshMachineSpec) { s.Image = infrav1.Image{ID: "ocid1.image.oc1..b"} },
	"Image.Name":                     func(s *infrav1.OCIMeshMachineSpec) { s.Image = infrav1.Image{Name: "golden"} },
	"Image.Platform.OperatingSystem": func(s *infrav1.OCIMeshMachineSpec) { s.Image.Platform.OperatingSystem = "Oracle Linux" },
	"Image.Platform.Version":         func(s *infrav1.OCIMeshMachineSpec) { s.Image.Platform.Version = "22.04" },
	"BootVolume.VPUsPerGB":           func(s *infrav1.OCIMeshMachineSpec) { s.BootVolume.VPUsPerGB = 20 },
	"DataVolumes.Name":               func(s *infrav1.OCIMeshMachineSpec) { s.DataVolumes[0].Name = "other" },
	"DataVolumes.VPUsPerGB":          func(s *infrav1.OCIMeshMachineSpec) { s.DataVolumes[0].VPUsPerGB = 20 },
	"DataVolumes.FileSystem":         func(s *infrav1.OCIMeshMachineSpec) { s.DataVolumes[0].FileSystem = "xfs" },
	"DataVolumes.MountPath":          func(s *infrav1.OCIMeshMachineSpec) { s.DataVolumes[0].MountPath = "/elsewhere" },
	"Bootstrap":                      func(s *infrav1.OCIMeshMachineSpec) { s.Bootstrap = infrav1.BootstrapPreinstalled },
	"Tailscale.Source": func(s *infrav1.OCIMeshMachineSpec) {
		s.Tailscale = infrav1.Tailscale{Source: infrav1.TailscalePreinstalled}
	},
	"Tailscale.Mirror.Architecture": func(s *infrav1.OCIMeshMachineSpec) { s.Tailscale.Mirror[0].Architecture = "amd64" },
	"Tailscale.Mirror.URL":          func(s *infrav1.OCIMeshMachineSpec) { s.Tailscale.Mirror[0].URL = "https://two.example.com/t.tgz" },
	"Tailscale.Mirror.SHA256":       func(s *infrav1.OCIMeshMachineSpec) { s.Tailscale.Mirror[0].SHA256 = strings.Repeat("b", 64) },
	"SSHAuthorizedKeys":             func(s *infrav1.OCIMeshMachineSpec) { s.SSHAuthorizedKeys = []string{"ssh-ed25519 BBBB b"} },
	"Preemptible":                   func(s *infrav1.OCIMeshMachineSpec) { s.Preemptible = ptr.To(true) },
}

// The rules name fields of shapes, volumes and tailscale one by one. One that they leave out could
// be changed at a machine, and nothing would be done for it.
func TestEveryFieldOfAProvisionedMachineIsImmutableOrChangedInPlace(t *testing.T) {
	leaves := fields.Leaves(reflect.TypeFor[infrav1.OCIMeshMachineSpec](), nil)
	for path := range inPlace {
		NewWithT(t).Expect(leaves).To(ContainElement(path), "it is no field of a machine's spec")
	}
	for _, path := range leaves {
		if inPlace[path] != "" {
			continue
		}
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(others[path]).NotTo(BeNil(), "add a change, and an immutability rule; or say in inPlace what is done")
			machine := goodMachine()
			machine.Spec.ProviderID, machine.Spec.BootVolume.SizeGB = "oci://ocid1.instance.oc1..a", 100
			if strings.HasPrefix(path, "Tailscale.Mirror.") {
				machine.Spec.Tailscale = infrav1.Tailscale{Source: infrav1.TailscaleMirror, Mirror: []infrav1.TailscaleArchive{
					{Architecture: "arm64", URL: "https://one.example.com/t.tgz", SHA256: strings.Repeat("a", 64)},
				}}
			}
			machine = created(t, machine)
			others[path](&machine.Spec)
			g.Expect(apiServer.Update(t.Context(), machine)).To(MatchError(ContainSubstring("immutable")))
		})
	}
}
