// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/limits"
	"github.com/oracle/oci-go-sdk/v65/networkloadbalancer"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// recorder is a booter for recording its calls.
type recorder struct {
	mu       sync.Mutex
	events   []string
	machines []sim.Machine
}

func (r *recorder) note(event string, machine sim.Machine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
	r.machines = append(r.machines, machine)
}

func (r *recorder) Boot(ctx context.Context, m sim.Machine) {
	r.note("boot", m)
	<-ctx.Done()
	r.note("gone", m)
}
func (r *recorder) Stop(_ context.Context, m sim.Machine)      { r.note("stop", m) }
func (r *recorder) Terminate(_ context.Context, m sim.Machine) { r.note("terminate", m) }

func (r *recorder) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.events...)
}

// softStops tells of each stop whether it was a soft one.
func (r *recorder) softStops() []bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var soft []bool
	for i, event := range r.events {
		if event == "stop" {
			soft = append(soft, r.machines[i].Soft)
		}
	}
	return soft
}

func TestBooterFollowsTheMachine(t *testing.T) {
	booter := &recorder{}
	b := newBench(t, func(options *sim.Options, _ *sim.Tenancy) { options.Booter = booter })
	vcn := b.vcn("10.0.0.0/16")
	details := b.launchDetails(b.subnet(vcn, "10.0.0.0/24", "nodes"))
	details.LaunchVolumeAttachments = []core.LaunchAttachVolumeDetails{dataVolume("/dev/oracleoci/oraclevdb")}
	instance, err := b.launch(details)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	b.g.Eventually(booter.seen, time.Minute).Should(Equal([]string{"boot"}))
	machine := booter.machines[0]
	b.g.Expect(machine.ID).To(Equal(*instance.Id))
	b.g.Expect(machine.Arch).To(Equal("arm64"))
	b.g.Expect(machine.ImageName).To(Equal("Canonical-Ubuntu-24.04-aarch64-2026.09.30-0"))
	b.g.Expect(string(machine.UserData)).To(Equal("#cloud-config\n"))
	b.g.Expect(machine.PrivateIP).To(Equal("10.0.0.2"))
	b.g.Expect(machine.PublicIP).NotTo(BeEmpty())
	b.g.Expect(machine.VcnID).To(Equal(*vcn.Id))
	b.g.Expect(machine.DataVolumes).To(HaveLen(1))
	b.g.Expect(machine.DataVolumes[0].Device).To(Equal("/dev/oracleoci/oraclevdb"))

	_, err = b.compute.InstanceAction(b.t.Context(), core.InstanceActionRequest{InstanceId: instance.Id, Action: core.InstanceActionActionReset})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	b.g.Eventually(booter.seen, time.Minute).Should(ConsistOf("boot", "gone", "stop", "boot"))
	b.g.Expect(booter.softStops()).To(Equal([]bool{false}))
	b.g.Expect(b.sim.StopInstance(*instance.Id)).To(Succeed())
	b.clock.Advance(step)
	b.g.Eventually(booter.seen, time.Minute).Should(ConsistOf("boot", "gone", "stop", "boot", "gone", "stop"))
	b.g.Expect(booter.softStops()).To(Equal([]bool{false, true}))
	b.g.Expect(b.sim.InstanceState(*instance.Id)).To(Equal("STOPPED"))
	b.g.Expect(b.sim.TerminateInstance(*instance.Id)).To(Succeed())
	b.clock.Advance(step)
	b.g.Eventually(booter.seen, time.Minute).Should(ContainElement("terminate"))
	b.g.Expect(b.sim.TerminateInstance(*instance.Id)).NotTo(Succeed())
	machines, err := b.sim.Machines("one")
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(machines).To(BeEmpty())
}

// slow is a recorder for which the end of a machine takes its time.
type slow struct {
	recorder
	end chan struct{}
}

func (s *slow) Stop(ctx context.Context, m sim.Machine) {
	s.recorder.Stop(ctx, m)
	<-s.end
	s.note("stopped", m)
}

func TestAMachineBootsOnceItsLifeBeforeHasEnded(t *testing.T) {
	booter := &slow{end: make(chan struct{})}
	b := newBench(t, func(options *sim.Options, _ *sim.Tenancy) { options.Booter = booter })
	instance, err := b.launch(b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")))
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	b.g.Eventually(booter.seen, time.Minute).Should(Equal([]string{"boot"}))

	_, err = b.compute.InstanceAction(b.t.Context(), core.InstanceActionRequest{InstanceId: instance.Id, Action: core.InstanceActionActionReset})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	b.g.Eventually(booter.seen, time.Minute).Should(ConsistOf("boot", "gone", "stop"))
	b.g.Expect(b.sim.InstanceState(*instance.Id)).To(Equal("RUNNING"))
	close(booter.end)

	b.g.Eventually(booter.seen, time.Minute).Should(HaveLen(5))
	b.g.Expect(booter.seen()[3:]).To(Equal([]string{"stopped", "boot"}))
}

func TestTerminationKeepsOrTakesVolumes(t *testing.T) {
	for name, world := range map[string]struct {
		boot, data *bool
		left       []string
	}{
		"by default data volumes stay":    {nil, nil, []string{"volume"}},
		"everything goes":                 {common.Bool(false), common.Bool(false), nil},
		"everything stays":                {common.Bool(true), common.Bool(true), []string{"volume", "bootvolume"}},
		"only the boot volume is to stay": {common.Bool(true), common.Bool(false), []string{"bootvolume"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			details := b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes"))
			details.LaunchVolumeAttachments = []core.LaunchAttachVolumeDetails{dataVolume("/dev/oracleoci/oraclevdb")}
			instance, err := b.launch(details)
			b.g.Expect(err).NotTo(HaveOccurred())
			b.clock.Advance(step)
			_, err = b.compute.TerminateInstance(b.t.Context(), core.TerminateInstanceRequest{InstanceId: instance.Id,
				PreserveBootVolume: world.boot, PreserveDataVolumesCreatedAtLaunch: world.data})
			b.g.Expect(err).NotTo(HaveOccurred())
			b.clock.Advance(step)
			left, err := b.sim.Leftovers("one")
			b.g.Expect(err).NotTo(HaveOccurred())
			var kinds []string
			for _, item := range left {
				if item.Kind != "vcn" && item.Kind != "subnet" {
					kinds = append(kinds, item.Kind)
				}
			}
			b.g.Expect(kinds).To(Equal(world.left))
		})
	}
}

func TestVolumesAreAttachedOnce(t *testing.T) {
	b := newBench(t)
	instance, err := b.launch(b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")))
	b.g.Expect(err).NotTo(HaveOccurred())
	volume, err := b.storage.CreateVolume(b.t.Context(), core.CreateVolumeRequest{CreateVolumeDetails: core.CreateVolumeDetails{
		CompartmentId: b.compartment(), AvailabilityDomain: b.domain(0), SizeInGBs: common.Int64(50)}})
	b.g.Expect(err).NotTo(HaveOccurred())
	attach := core.AttachVolumeRequest{AttachVolumeDetails: core.AttachParavirtualizedVolumeDetails{InstanceId: instance.Id, VolumeId: volume.Id}}
	_, err = b.compute.AttachVolume(b.t.Context(), attach)
	b.g.Expect(refusal(err)).To(Equal("409 IncorrectState"), "the instance is not RUNNING yet")
	b.clock.Advance(step)
	attached, err := b.compute.AttachVolume(b.t.Context(), attach)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	_, err = b.compute.AttachVolume(b.t.Context(), attach)
	b.g.Expect(refusal(err)).To(Equal("409 Conflict"))
	_, err = b.storage.DeleteVolume(b.t.Context(), core.DeleteVolumeRequest{VolumeId: volume.Id})
	b.g.Expect(refusal(err)).To(Equal("409 Conflict"))
	_, err = b.compute.DetachVolume(b.t.Context(), core.DetachVolumeRequest{VolumeAttachmentId: attached.GetId()})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	_, err = b.storage.DeleteVolume(b.t.Context(), core.DeleteVolumeRequest{VolumeId: volume.Id})
	b.g.Expect(err).NotTo(HaveOccurred())
}

func TestLimitsShowWhatIsUsed(t *testing.T) {
	b := newBench(t)
	_, err := b.launch(b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")))
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(b.sim.SetLimit("one", "standard-a1-core-count", 4)).To(Succeed())
	available, err := b.limits.GetResourceAvailability(b.t.Context(), limits.GetResourceAvailabilityRequest{CompartmentId: &b.tenancy.OCID,
		ServiceName: common.String("compute"), LimitName: common.String("standard-a1-core-count"), AvailabilityDomain: b.domain(0)})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect([]int64{*available.Used, *available.Available}).To(Equal([]int64{2, 2}))
	values, err := b.limits.ListLimitValues(b.t.Context(), limits.ListLimitValuesRequest{CompartmentId: &b.tenancy.OCID,
		ServiceName: common.String("compute"), Name: common.String("standard-a1-core-count")})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(*values.Items[0].Value).To(BeEquivalentTo(4))
	_, err = b.limits.ListServices(b.t.Context(), limits.ListServicesRequest{CompartmentId: b.compartment()})
	b.g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"), "limits are asked of the tenancy")
}

func TestImagesAreFoundByArchitecture(t *testing.T) {
	b := newBench(t)
	for shape, name := range map[string]string{
		"VM.Standard.A1.Flex": "Canonical-Ubuntu-24.04-aarch64-2026.09.30-0", "VM.Standard.E5.Flex": "Canonical-Ubuntu-24.04-2026.09.30-0",
	} {
		image, err := b.compute.GetImage(b.t.Context(), core.GetImageRequest{ImageId: b.image(shape)})
		b.g.Expect(err).NotTo(HaveOccurred())
		b.g.Expect(*image.DisplayName).To(Equal(name))
		shapes, err := b.compute.ListImageShapeCompatibilityEntries(b.t.Context(), core.ListImageShapeCompatibilityEntriesRequest{ImageId: image.Id})
		b.g.Expect(err).NotTo(HaveOccurred())
		b.g.Expect(fmt.Sprint(shapes.Items)).To(ContainSubstring(shape))
	}
	_, err := b.compute.ListImages(b.t.Context(), core.ListImagesRequest{CompartmentId: b.compartment(), Shape: common.String("VM.Nothing")})
	b.g.Expect(refusal(err)).To(Equal("400 InvalidParameter"))
	shapes, err := b.compute.ListShapes(b.t.Context(), core.ListShapesRequest{CompartmentId: b.compartment(), Shape: common.String("VM.Standard.A1.Flex")})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(*shapes.Items[0].IsFlexible).To(BeTrue())
}

func TestLoadBalancerTakesOneChangeAtATime(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")
	created, err := b.balancers.CreateNetworkLoadBalancer(b.t.Context(), networkloadbalancer.CreateNetworkLoadBalancerRequest{
		CreateNetworkLoadBalancerDetails: networkloadbalancer.CreateNetworkLoadBalancerDetails{
			CompartmentId: b.compartment(), DisplayName: common.String("api"), SubnetId: subnet.Id, IsPrivate: common.Bool(false),
			Listeners: map[string]networkloadbalancer.ListenerDetails{"api": {Name: common.String("api"), DefaultBackendSetName: common.String("nodes"),
				Port: common.Int(6443), Protocol: networkloadbalancer.ListenerProtocolsTcp}},
			BackendSets: map[string]networkloadbalancer.BackendSetDetails{"nodes": {HealthChecker: &networkloadbalancer.HealthChecker{
				Protocol: networkloadbalancer.HealthCheckProtocolsHttps, Port: common.Int(6443), UrlPath: common.String("/healthz"), ReturnCode: common.Int(200)}}},
		}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(created.LifecycleState).To(Equal(networkloadbalancer.LifecycleStateCreating))
	add := func(address string) (networkloadbalancer.CreateBackendResponse, error) {
		return b.balancers.CreateBackend(b.t.Context(), networkloadbalancer.CreateBackendRequest{NetworkLoadBalancerId: created.Id, BackendSetName: common.String("nodes"),
			CreateBackendDetails: networkloadbalancer.CreateBackendDetails{IpAddress: common.String(address), Port: common.Int(6443)}})
	}
	_, err = add("10.0.0.5")
	g.Expect(refusal(err)).To(Equal("409 Conflict"))
	b.clock.Advance(step)
	added, err := add("10.0.0.5")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = add("10.0.0.6")
	g.Expect(refusal(err)).To(Equal("409 Conflict"))
	b.clock.Advance(step)
	work, err := b.balancers.GetWorkRequest(b.t.Context(), networkloadbalancer.GetWorkRequestRequest{WorkRequestId: added.OpcWorkRequestId})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(work.Status).To(Equal(networkloadbalancer.OperationStatusSucceeded))
	_, err = add("10.0.0.5")
	g.Expect(refusal(err)).To(Equal("409 NotAuthorizedOrResourceAlreadyExists"))

	got, err := b.balancers.GetNetworkLoadBalancer(b.t.Context(), networkloadbalancer.GetNetworkLoadBalancerRequest{NetworkLoadBalancerId: created.Id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.IpAddresses).To(HaveLen(2))
	g.Expect(*got.BackendSets["nodes"].Backends[0].Name).To(Equal("10.0.0.5:6443"))
	listed, err := b.balancers.ListNetworkLoadBalancers(b.t.Context(), networkloadbalancer.ListNetworkLoadBalancersRequest{CompartmentId: b.compartment()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(listed.Items).To(HaveLen(1))
	_, err = b.balancers.DeleteBackend(b.t.Context(), networkloadbalancer.DeleteBackendRequest{NetworkLoadBalancerId: created.Id,
		BackendSetName: common.String("nodes"), BackendName: common.String("10.0.0.5:6443")})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	_, err = b.network.DeleteSubnet(b.t.Context(), core.DeleteSubnetRequest{SubnetId: subnet.Id})
	g.Expect(refusal(err)).To(Equal("409 Conflict"))
	_, err = b.balancers.DeleteNetworkLoadBalancer(b.t.Context(), networkloadbalancer.DeleteNetworkLoadBalancerRequest{NetworkLoadBalancerId: created.Id})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	_, err = b.network.DeleteSubnet(b.t.Context(), core.DeleteSubnetRequest{SubnetId: subnet.Id})
	g.Expect(err).NotTo(HaveOccurred())
}
