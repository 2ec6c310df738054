// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// victims are what an attacker is after: a machine of ours with a data volume, and an instance that
// somebody else has launched in the same compartment.
type victims struct {
	machine  *infrav1.OCIMeshMachine
	stranger string
}

func (b *bench) victims(t *testing.T) victims {
	t.Helper()
	g := NewWithT(t)
	machine := b.machine(t, "victim", withDataVolume)
	b.untilProvisioned(t, machine)
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	stranger, err := c.LaunchInstance(t.Context(), oci.LaunchSpec{
		DisplayName: "database", AvailabilityDomain: machine.Status.Placement.AvailabilityDomain,
		Shape: machine.Status.Placement.Shape, ImageID: machine.Status.Placement.ImageID, OCPUs: 1, MemoryGB: 6,
		SubnetID: b.infra.Status.Accounts[0].SubnetID,
	})
	g.Expect(err).NotTo(HaveOccurred())
	eventually(g, func(g Gomega) { g.Expect(b.OCI.InstanceState(stranger.ID)).To(Equal("RUNNING")) })
	return victims{machine: machine, stranger: stranger.ID}
}

func withDataVolume(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
	own.Spec.DataVolumes = []infrav1.DataVolume{{Name: "data", SizeGB: 50, VPUsPerGB: 10, FileSystem: "ext4", MountPath: "/data"}}
}

// forger is a user with write access to our kinds in one namespace, closed to all accounts and
// tailnets.
type forger struct {
	namespace string
	cluster   *clusterv1.Cluster
}

// newForger gives him a cluster with the victim's accounts and tailnet.
func (b *bench) newForger(t *testing.T) forger {
	t.Helper()
	f := forger{namespace: b.Environment.Namespace(t, nil)}
	f.cluster = helpers.NewCluster(f.namespace, b.cluster.Name)
	b.Create(t, f.cluster)
	b.Create(t, helpers.NewOCIMeshCluster(f.cluster, b.Tailnet.Name, b.AccountNames(), func(infra *infrav1.OCIMeshCluster) {
		infra.Annotations = map[string]string{
			infrav1.IdentityAnnotation: fmt.Sprintf("%s/%s/%s", f.namespace, infra.Name, b.infra.UID),
		}
		infra.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: vip, Port: 6443}
	}))
	return f
}

// machine writes an object as the forger wants it.
func (f forger) machine(t *testing.T, b *bench, name string, forge func(*infrav1.OCIMeshMachine)) *infrav1.OCIMeshMachine {
	t.Helper()
	machine := helpers.NewMachine(f.cluster, name)
	b.Create(t, machine)
	forged := helpers.NewOCIMeshMachine(machine)
	forged.Finalizers = []string{infrav1.OCIMeshMachineFinalizer}
	forge(forged)
	b.Create(t, forged)
	return forged
}

func TestAForgedMachineHarmsNobodyAndIsLetGo(t *testing.T) {
	t.Parallel()
	identityOf := func(namespace string, of *infrav1.OCIMeshMachine) map[string]string {
		return map[string]string{infrav1.IdentityAnnotation: fmt.Sprintf("%s/%s/%s", namespace, of.Name, of.UID)}
	}
	for name, forge := range map[string]func(*infrav1.OCIMeshMachine, victims){
		"the providerID of a stranger's instance": func(own *infrav1.OCIMeshMachine, v victims) {
			own.Spec.ProviderID = "oci://" + v.stranger
		},
		"the providerID of another machine": func(own *infrav1.OCIMeshMachine, v victims) {
			own.Spec.ProviderID = v.machine.Spec.ProviderID
		},
		"the identity of another machine": func(own *infrav1.OCIMeshMachine, v victims) {
			own.Annotations = identityOf(own.Namespace, v.machine)
		},
		"identity, providerID, name and volumes of another machine": func(own *infrav1.OCIMeshMachine, v victims) {
			own.Annotations = identityOf(own.Namespace, v.machine)
			own.Spec = *v.machine.Spec.DeepCopy()
		},
		"a copy of another machine's annotation": func(own *infrav1.OCIMeshMachine, v victims) {
			own.Annotations = v.machine.Annotations
		},
		"no cluster any more": func(own *infrav1.OCIMeshMachine, v victims) {
			own.Annotations, own.Labels = identityOf(own.Namespace, v.machine), nil
			own.OwnerReferences = nil
			own.Spec.ProviderID = v.machine.Spec.ProviderID
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			v := b.victims(t)
			devices, calls := b.Control.Devices(), b.calls("TerminateInstance")
			forged := b.newForger(t).machine(t, b, v.machine.Name, func(own *infrav1.OCIMeshMachine) { forge(own, v) })
			for range 5 {
				b.pass(t, forged)
			}
			b.delete(t, forged)

			g.Expect(b.calls("TerminateInstance")).To(Equal(calls))
			g.Expect(b.OCI.InstanceState(v.stranger)).To(Equal("RUNNING"))
			g.Expect(b.OCI.InstanceState(v.machine.Status.Instance.ID)).To(Equal("RUNNING"))
			g.Expect(b.Control.Devices()).To(Equal(devices))
			g.Expect(b.instances(t)).To(HaveLen(2))
			b.untilProvisioned(t, v.machine)
		})
	}
}

func TestAProviderIDProvesNothing(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	v := b.victims(t)
	// No malice: an object made from a copy of a live machine, in a namespace that may use the
	// account.
	copied := b.machine(t, "copied", func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
		own.Spec.ProviderID = v.machine.Spec.ProviderID
	})
	b.untilCondition(t, copied, "InstanceReady False InstanceNotOwned")
	g.Expect(copied.Status.Instance).To(BeZero())
	g.Expect(helpers.MessageOf(copied, infrav1.InstanceReadyCondition)).To(ContainSubstring("recreate the object without it"))
	g.Expect(b.instances(t)).To(HaveLen(2), "nor is another instance launched")
	b.delete(t, copied)
	g.Expect(b.OCI.InstanceState(v.machine.Status.Instance.ID)).To(Equal("RUNNING"))
}

func TestATemplateWithAProviderIDIsRefused(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := helpers.NewOCIMeshMachine(helpers.NewMachine(b.cluster, "any"))
	template := &infrav1.OCIMeshMachineTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "copied"}}
	template.Spec.Template.Spec = own.Spec
	template.Spec.Template.Spec.ProviderID = "oci://ocid1.instance.oc1.iad.x"
	err := b.Client.Create(t.Context(), template)
	g.Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
	g.Expect(err).To(MatchError(ContainSubstring("a template has no providerID")))
}

func TestARescuedVolumeOutlivesItsMachine(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "machine", withDataVolume, func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
		logs := own.Spec.DataVolumes[0]
		logs.Name, logs.MountPath = "logs", "/logs"
		own.Spec.DataVolumes = append(own.Spec.DataVolumes, logs)
	})
	b.untilProvisioned(t, own)
	g.Expect(b.OCI.DetachVolume(own.Status.Tailnet.Hostname + "-data")).To(Succeed())
	b.delete(t, own)

	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	volumes, err := c.DataVolumes(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	// Other people have volumes in the compartment, too.
	volumes = slices.DeleteFunc(volumes, func(v oci.Volume) bool { return len(v.Tags) > 0 })
	g.Expect(volumes).To(HaveLen(1))
	g.Expect(volumes[0].DisplayName).To(HaveSuffix("-data"))
	g.Expect(volumes[0].State).To(Equal(oci.StateAvailable))
}

func TestWhoLostPermissionStillEndsWhatIsHis(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, *bench, *infrav1.OCIMeshMachine){
		"and status is there": func(*testing.T, *bench, *infrav1.OCIMeshMachine) {},
		"and status was lost": func(t *testing.T, b *bench, own *infrav1.OCIMeshMachine) {
			b.loseStatus(t, own)
			b.r = b.reconciler()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own := b.machine(t, "machine")
			b.untilProvisioned(t, own)
			helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
				account.Spec.AllowedNamespaces.List = []string{"elsewhere"}
			})
			prepare(t, b, own)
			b.delete(t, own)
			g.Expect(b.instances(t)).To(BeEmpty())
		})
	}
}

// loseStatus is what a move and a restore do.
func (b *bench) loseStatus(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	none := client.RawPatch("application/merge-patch+json", []byte(`{"status":null}`))
	NewWithT(t).Expect(b.Client.Status().Patch(t.Context(), own, none)).To(Succeed())
}

func TestARefusalOfTheCredentialsDoesNotProveThatNothingWasLaunched(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "machine")
	b.untilPlaced(t, own)
	s := b.scopeOf(t, own)
	s.key.Exists = true
	b.OCI.AddFault(sim.Fault{Operation: "LaunchInstance", Status: 401, Code: "NotAuthenticated"})
	g.Expect(b.r.launcher().repeatLaunch(t.Context(), s)).NotTo(Succeed())
	g.Expect(b.r.launcher().repeatLaunch(t.Context(), s)).To(MatchError(ContainSubstring("is ended next")))
}
