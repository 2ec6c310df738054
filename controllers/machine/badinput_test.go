// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/tailnetsim"
)

// bootstrapSecret is the machine's.
func (b *bench) bootstrapSecret(t *testing.T, own *infrav1.OCIMeshMachine) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: own.Namespace, Name: own.Name + "-bootstrap"}
	NewWithT(t).Expect(b.Client.Get(t.Context(), key, secret)).To(Succeed())
	return secret
}

func TestBadBootstrapDataIsToldAndHealsWhenMended(t *testing.T) {
	noise := make([]byte, 40_000)
	_, _ = rand.Read(noise)
	for name, world := range map[string]struct {
		spoil   func(*corev1.Secret)
		reason  string
		message string
	}{
		"Ignition": {
			func(secret *corev1.Secret) { secret.Data["format"] = []byte("ignition") },
			"BootstrapDataInvalid", "cloud-config",
		},
		"no cloud-config": {
			func(secret *corev1.Secret) { secret.Data["value"] = []byte("#!/bin/sh\n") },
			"BootstrapDataInvalid", "#cloud-config",
		},
		"no value": {func(secret *corev1.Secret) { delete(secret.Data, "value") }, "BootstrapDataInvalid", "no key value"},
		"over the limit": {
			func(secret *corev1.Secret) {
				secret.Data["value"] = []byte("#cloud-config\n# " + base64.StdEncoding.EncodeToString(noise))
			},
			"UserDataTooLarge", "32000",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own := b.machine(t, "machine")
			secret := b.bootstrapSecret(t, own)
			good := secret.DeepCopy().Data
			helpers.Update(t, b.Environment, secret, world.spoil)

			b.untilCondition(t, own, "Ready False "+world.reason)
			g.Expect(helpers.MessageOf(own, infrav1.ReadyCondition)).To(ContainSubstring(world.message))
			g.Expect(b.calls("LaunchInstance")).To(BeZero())
			g.Expect(b.Control.Keys()).To(BeEmpty(), "no key is made for data that cannot be used")

			helpers.Update(t, b.Environment, secret, func(secret *corev1.Secret) { secret.Data = good })
			b.untilProvisioned(t, own)
		})
	}
}

func TestAMissingBootstrapSecretIsToldAndHealsWhenItAppears(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "machine")
	secret := b.bootstrapSecret(t, own)
	g.Expect(b.Client.Delete(t.Context(), secret)).To(Succeed())
	b.untilCondition(t, own, "Ready False BootstrapDataInvalid")
	secret.ResourceVersion, secret.UID = "", ""
	g.Expect(b.Client.Create(t.Context(), secret)).To(Succeed())
	b.untilProvisioned(t, own)
}

func TestShapesAndImagesThatDoNotExistAreTold(t *testing.T) {
	custom := func(_ int, tenancy *sim.Tenancy) {
		tenancy.Images = append(tenancy.Images, sim.ImageSpec{
			Name: "golden", OperatingSystem: "Canonical Ubuntu", OperatingSystemVersion: "24.04", Arch: "amd64",
		})
	}
	b := newBench(t, helpers.WorldOptions{Accounts: 2, Tenancy: custom})
	unknownID := "ocid1.image.oc1.iad.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	for name, world := range map[string]struct {
		change func(*infrav1.OCIMeshMachineSpec)
		reason string
	}{
		"an-unknown-shape": {
			func(spec *infrav1.OCIMeshMachineSpec) { spec.Shapes[0].Name = "VM.Standard.Z9.Flex" }, "ShapeNotFound",
		},
		"an-unknown-image-name": {
			func(spec *infrav1.OCIMeshMachineSpec) { spec.Image = infrav1.Image{Name: "silver"} }, "ImageNotFound",
		},
		"an-unknown-image": {
			func(spec *infrav1.OCIMeshMachineSpec) { spec.Image = infrav1.Image{ID: unknownID} }, "ImageNotFound",
		},
		"an-image-of-the-wrong-architecture": {
			func(spec *infrav1.OCIMeshMachineSpec) { spec.Image = infrav1.Image{Name: "golden"} }, "ImageArchitectureMismatch",
		},
		"an-unknown-operating-system": {
			func(spec *infrav1.OCIMeshMachineSpec) { spec.Image.Platform.Version = "99.04" }, "ImageNotFound",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			own := b.machine(t, name, func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) { world.change(&own.Spec) })
			b.untilCondition(t, own, "Ready False "+world.reason)
			message := helpers.MessageOf(own, infrav1.ReadyCondition)
			for _, account := range b.AccountNames() {
				g.Expect(strings.Count(message, account+": ")).To(Equal(1), message)
			}
			g.Expect(message).To(ContainSubstring("mend spec."))
			b.delete(t, own)
		})
	}
	b.expectNothingLeft(t)
}

func TestALaunchThatOCIRefusesSaysOCIsReason(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.OCI.AddFault(sim.Fault{Operation: "LaunchInstance", Status: 400, Code: "InvalidParameter", Message: "Boot volume is too small", Times: 3})
	own := b.machine(t, "machine")
	b.untilCondition(t, own, "Ready False LaunchRefused")
	g.Expect(helpers.MessageOf(own, infrav1.ReadyCondition)).To(ContainSubstring("Boot volume is too small"))
	b.untilProvisioned(t, own)
}

func TestABadTailnetIsToldAndHealsWhenMended(t *testing.T) {
	for name, world := range map[string]struct {
		spoil  func(*testing.T, *bench)
		reason string
		mend   func(*testing.T, *bench)
	}{
		"a revoked OAuth client": {
			func(_ *testing.T, b *bench) {
				b.Control.RevokeClient(string(b.TailnetCredentials.Data[infrav1.TailnetClientIDKey]))
			},
			"AuthenticationFailed",
			func(t *testing.T, b *bench) {
				fresh := b.Control.AddClient([]string{"auth_keys", "devices:core", "devices:routes"}, []string{helpers.ProviderTag})
				helpers.Update(t, b.Environment, b.TailnetCredentials, func(secret *corev1.Secret) {
					secret.Data = map[string][]byte{
						infrav1.TailnetClientIDKey: []byte(fresh.ID), infrav1.TailnetClientSecretKey: []byte(fresh.Secret),
					}
				})
			},
		},
		"a tag that the policy does not have": {
			func(_ *testing.T, b *bench) { _ = b.Control.SetPolicy(nil, nil) }, "TagNotPermitted",
			func(_ *testing.T, b *bench) {
				_ = b.Control.SetPolicy(map[string][]string{helpers.ProviderTag: {}, helpers.NodeTag: {helpers.ProviderTag}}, nil)
			},
		},
		"an unreachable server": {
			func(_ *testing.T, b *bench) { b.Control.SetUnreachable(true) }, "Unavailable",
			func(_ *testing.T, b *bench) { b.Control.SetUnreachable(false) },
		},
		"a server that throttles": {
			func(_ *testing.T, b *bench) {
				b.Control.Inject(tailnetsim.Fault{Operation: tailnetsim.OpCreateKey, Status: 429, RetryAfter: 1, Times: 1})
			},
			"Throttled", func(*testing.T, *bench) {},
		},
		"a tailnet that does not allow the namespace": {
			func(t *testing.T, b *bench) {
				helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) {
					tn.Spec.AllowedNamespaces.List = []string{"somebody-elses"}
				})
			},
			"NamespaceNotAllowed",
			func(t *testing.T, b *bench) {
				helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) {
					tn.Spec.AllowedNamespaces.List = []string{b.Namespace}
				})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			world.spoil(t, b)
			own := b.machine(t, "machine")
			b.untilCondition(t, own, "Ready False "+world.reason)
			g.Expect(b.calls("LaunchInstance")).To(BeZero())
			world.mend(t, b)
			b.untilProvisioned(t, own)
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

// A cluster with a tailnet that never worked can be deleted: no key was ever received.
func TestAMachineWithoutAKeyIsDeletedWithoutTheTailnet(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{})
	b.Control.SetUnreachable(true)
	own := b.machine(t, "machine")
	b.untilCondition(t, own, "Ready False Unavailable")
	b.delete(t, own)
	b.expectNothingLeft(t)
}
