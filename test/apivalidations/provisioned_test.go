// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package apivalidations

import (
	"os"
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/fields"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/webhooks"
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
	leaves := fields.Leaves(reflect.TypeFor[infrav1.OCIMeshMachineSpec](), map[string]string{"Accounts.Selector": "its type is Kubernetes'"})
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

// The API server asks the webhook about the fields of its match condition, and the webhook compares
// those of its list. A field that either leaves out could be changed at a machine at any time, also
// when Cluster API updates nothing.
func TestTheWebhookIsAskedAboutEveryFieldThatIsChangedInPlace(t *testing.T) {
	asked := clauses(t)
	values := machineValues()
	values["OnStop"] = [2]any{infrav1.StopStart, infrav1.StopLeave}
	guarded := map[string]bool{}
	for path := range inPlace {
		name, _, _ := strings.Cut(path, ".")
		guarded[name] = name != "OnStop"
	}
	for field := range reflect.TypeFor[infrav1.OCIMeshMachineSpec]().Fields() {
		t.Run(field.Name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(values).To(HaveKey(field.Name))
			before, after := goodMachine(), goodMachine()
			setField(before, values[field.Name][0], "Spec", field.Name)
			setField(after, values[field.Name][1], "Spec", field.Name)

			_, err := webhooks.OCIMeshMachine{InPlaceUpdates: true}.ValidateUpdate(
				admission.NewContextWithRequest(t.Context(), admission.Request{}), before, after)

			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !guarded[field.Name] {
				g.Expect(err).NotTo(HaveOccurred(), "nothing is done in place for it")
				g.Expect(asked).NotTo(ContainElement(name))
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring("spec."+name+": Forbidden")), "internal/webhooks/ocimeshmachine.go")
			g.Expect(asked).To(ContainElement(name), "config/webhook/match_conditions_patch.yaml")
		})
	}
}

// clauses are the fields that the match condition of the machines' webhook compares.
func clauses(t *testing.T) (names []string) {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile("../../config/webhook/match_conditions_patch.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var patch admissionregistrationv1.ValidatingWebhookConfiguration
	g.Expect(yaml.UnmarshalStrict(content, &patch)).To(Succeed())
	g.Expect(patch.Webhooks).To(HaveLen(1))
	g.Expect(patch.Webhooks[0].MatchConditions).To(HaveLen(1))
	for clause := range strings.SplitSeq(patch.Webhooks[0].MatchConditions[0].Expression, " || ") {
		after, before, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(clause, ".?", ".")), " != ")
		name, found := strings.CutPrefix(after, "object.spec.")
		g.Expect(found).To(BeTrue(), clause)
		g.Expect(before).To(Equal("oldObject.spec." + name))
		names = append(names, name)
	}
	return names
}
