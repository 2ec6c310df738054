// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// configuration makes a template of small machines with a data volume.
func (b *bench) configuration(tags map[string]string, change ...func(*core.InstanceConfigurationLaunchInstanceDetails)) *string {
	launch := &core.InstanceConfigurationLaunchInstanceDetails{
		Shape: common.String("VM.Standard.A1.Flex"), FreeformTags: tags, Metadata: map[string]string{"user_data": "I2Nsb3VkLWNvbmZpZwo="},
		ShapeConfig:   &core.InstanceConfigurationLaunchInstanceShapeConfigDetails{Ocpus: common.Float32(2), MemoryInGBs: common.Float32(12)},
		SourceDetails: core.InstanceConfigurationInstanceSourceViaImageDetails{ImageId: b.image("VM.Standard.A1.Flex")},
	}
	for _, f := range change {
		f(launch)
	}
	response, err := b.pools.CreateInstanceConfiguration(b.t.Context(), core.CreateInstanceConfigurationRequest{
		CreateInstanceConfiguration: core.CreateInstanceConfigurationDetails{
			CompartmentId: b.compartment(),
			InstanceDetails: core.ComputeInstanceDetails{
				LaunchDetails: launch,
				BlockVolumes: []core.InstanceConfigurationBlockVolumeDetails{{
					AttachDetails: core.InstanceConfigurationParavirtualizedAttachVolumeDetails{Device: common.String("/dev/oracleoci/oraclevdb")},
					CreateDetails: &core.InstanceConfigurationCreateVolumeDetails{SizeInGBs: common.Int64(50), FreeformTags: map[string]string{"of": "pool"}},
				}},
			},
		}})
	b.g.Expect(err).NotTo(HaveOccurred())
	return response.Id
}

func (b *bench) poolDetails(configuration, subnet *string, size int) core.CreateInstancePoolDetails {
	return core.CreateInstancePoolDetails{
		CompartmentId: b.compartment(), InstanceConfigurationId: configuration, Size: &size, DisplayName: common.String("workers"),
		PlacementConfigurations: []core.CreateInstancePoolPlacementConfigurationDetails{{
			AvailabilityDomain: b.domain(0), FaultDomains: b.tenancy.FaultDomains(),
			PrimaryVnicSubnets: &core.InstancePoolPlacementPrimarySubnet{SubnetId: subnet},
		}},
	}
}

// pool makes a pool and lets it settle.
func (b *bench) pool(configuration, subnet *string, size int) *string {
	response, err := b.pools.CreateInstancePool(b.t.Context(), core.CreateInstancePoolRequest{
		CreateInstancePoolDetails: b.poolDetails(configuration, subnet, size)})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(2 * step)
	return response.Id
}

func (b *bench) members(pool *string) []core.InstanceSummary {
	var all []core.InstanceSummary
	request := core.ListInstancePoolInstancesRequest{CompartmentId: b.compartment(), InstancePoolId: pool}
	for {
		response, err := b.pools.ListInstancePoolInstances(b.t.Context(), request)
		b.g.Expect(err).NotTo(HaveOccurred())
		all = append(all, response.Items...)
		if response.OpcNextPage == nil {
			return all
		}
		request.Page = response.OpcNextPage
	}
}

func (b *bench) getPool(pool *string) core.InstancePool {
	response, err := b.pools.GetInstancePool(b.t.Context(), core.GetInstancePoolRequest{InstancePoolId: pool})
	b.g.Expect(err).NotTo(HaveOccurred())
	return response.InstancePool
}

func (b *bench) resize(pool *string, size int) error {
	_, err := b.pools.UpdateInstancePool(b.t.Context(), core.UpdateInstancePoolRequest{InstancePoolId: pool,
		UpdateInstancePoolDetails: core.UpdateInstancePoolDetails{Size: &size}})
	return err
}

func (b *bench) expectNoMachines() {
	left, err := b.sim.Leftovers("one")
	b.g.Expect(err).NotTo(HaveOccurred())
	for _, l := range left {
		b.g.Expect(l.Kind).To(BeElementOf("vcn", "subnet", "volume", "instanceconfiguration"))
	}
}

func TestAPoolKeepsItsSizeOverFaultDomains(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open")
	configuration := b.configuration(map[string]string{"owner": "test"})
	pool := b.pool(configuration, subnet.Id, 3)

	g.Expect(b.getPool(pool).LifecycleState).To(Equal(core.InstancePoolLifecycleStateRunning))
	g.Expect(*b.getPool(pool).CurrentSize).To(Equal(3))
	domains := map[string]bool{}
	for _, member := range b.members(pool) {
		domains[*member.FaultDomain] = true
		g.Expect(*member.State).To(Equal("Running"))
		g.Expect(*member.DisplayName).To(MatchRegexp("^inst-[a-z0-9]{5}-workers$"))
		got, err := b.compute.GetInstance(t.Context(), core.GetInstanceRequest{InstanceId: member.Id})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.FreeformTags).To(And(HaveLen(4), HaveKey("oci:compute:instancepool:opcretrytoken"), HaveKeyWithValue("owner", "test"),
			HaveKeyWithValue("oci:compute:instancepool", *pool), HaveKeyWithValue("oci:compute:instanceconfiguration", *configuration)))
	}
	g.Expect(domains).To(HaveLen(3))

	lost := b.members(pool)[0]
	g.Expect(b.sim.TerminateInstance(*lost.Id)).To(Succeed())
	b.clock.Advance(2 * step)
	g.Expect(b.members(pool)).To(HaveLen(3), "a lost one is replaced")
	g.Expect(b.members(pool)).NotTo(ContainElement(HaveField("Id", HaveValue(Equal(*lost.Id)))))

	g.Expect(b.resize(pool, 1)).To(Succeed())
	g.Expect(b.getPool(pool).LifecycleState).To(Equal(core.InstancePoolLifecycleStateScaling))
	b.clock.Advance(2 * step)
	g.Expect(b.members(pool)).To(HaveLen(1))

	_, err := b.pools.TerminateInstancePool(t.Context(), core.TerminateInstancePoolRequest{InstancePoolId: pool})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(refusal(b.resize(pool, 2))).To(Equal("409 IncorrectState"))
	b.clock.Advance(2 * step)
	g.Expect(b.getPool(pool).LifecycleState).To(Equal(core.InstancePoolLifecycleStateTerminated))
	b.expectNoMachines()
}

func TestAnInstanceIsDetachedWithItsPlaceAndLeavesItsVolumes(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open")
	pool := b.pool(b.configuration(nil), subnet.Id, 2)
	goes, stays := b.members(pool)[0], b.members(pool)[1]
	detach := func(id *string) error {
		_, err := b.pools.DetachInstancePoolInstance(t.Context(), core.DetachInstancePoolInstanceRequest{InstancePoolId: pool,
			DetachInstancePoolInstanceDetails: core.DetachInstancePoolInstanceDetails{InstanceId: id, IsDecrementSize: common.Bool(true), IsAutoTerminate: common.Bool(true)}})
		return err
	}

	g.Expect(refusal(detach(common.String("ocid1.instance.x")))).To(Equal("404 NotAuthorizedOrNotFound"))
	g.Expect(detach(goes.Id)).To(Succeed())
	g.Expect(refusal(detach(goes.Id))).To(Equal("409 IncorrectState"))
	b.clock.Advance(2 * step)

	g.Expect(b.members(pool)).To(ConsistOf(HaveField("Id", Equal(stays.Id))))
	g.Expect(*b.getPool(pool).Size).To(Equal(1))
	g.Expect(b.sim.InstanceState(*goes.Id)).To(Equal("TERMINATED"))
	volumes, err := b.storage.ListVolumes(t.Context(), core.ListVolumesRequest{CompartmentId: b.compartment()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(volumes.Items).To(HaveLen(2), "the data volume of the one that left is there")
	g.Expect(volumes.Items[0].FreeformTags).To(Equal(map[string]string{"of": "pool"}))
}

func TestAPoolWithoutRoomGoesOnScaling(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open")
	g.Expect(b.sim.SetCapacity("one", sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, 1)).To(Succeed())
	pool := b.pool(b.configuration(nil), subnet.Id, 2)

	g.Expect(b.getPool(pool).LifecycleState).To(Equal(core.InstancePoolLifecycleStateProvisioning))
	g.Expect(b.members(pool)).To(HaveLen(1))
	g.Expect(b.sim.SetCapacity("one", sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, -1)).To(Succeed())
	b.clock.Advance(2 * step)
	g.Expect(b.getPool(pool).LifecycleState).To(Equal(core.InstancePoolLifecycleStateRunning))
	g.Expect(b.members(pool)).To(HaveLen(2))
}

func TestAPoolWaitsForANamedFaultDomainAndNotForAnyOther(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open")
	g.Expect(b.sim.SetCapacity("one", sim.CapacityKey{Shape: "VM.Standard.A1.Flex", FaultDomain: "FAULT-DOMAIN-2"}, 0)).To(Succeed())

	named := b.pool(b.configuration(nil), subnet.Id, 3)
	details := b.poolDetails(b.configuration(nil), subnet.Id, 3)
	details.PlacementConfigurations[0].FaultDomains = nil
	spread, err := b.pools.CreateInstancePool(t.Context(), core.CreateInstancePoolRequest{CreateInstancePoolDetails: details})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(2 * step)

	g.Expect(b.members(named)).To(HaveLen(1))
	g.Expect(b.getPool(named).LifecycleState).To(Equal(core.InstancePoolLifecycleStateProvisioning))
	g.Expect(b.members(spread.Id)).To(HaveLen(3))
	g.Expect(b.getPool(spread.Id).LifecycleState).To(Equal(core.InstancePoolLifecycleStateRunning))
}

func TestTagsOfPoolAndConfigurationAreTheInstancesToo(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open")
	details := b.poolDetails(b.configuration(map[string]string{"a": "instance", "b": "instance"}), subnet.Id, 1)
	details.FreeformTags = map[string]string{"b": "pool", "of": "another"}
	made, err := b.pools.CreateInstancePool(t.Context(), core.CreateInstancePoolRequest{CreateInstancePoolDetails: details})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(2 * step)

	g.Expect(b.members(made.Id)).To(HaveLen(1))
	got, err := b.compute.GetInstance(t.Context(), core.GetInstanceRequest{InstanceId: b.members(made.Id)[0].Id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.FreeformTags).To(And(HaveLen(6), HaveKeyWithValue("a", "instance"), HaveKeyWithValue("b", "pool"), HaveKeyWithValue("of", "another")))
	volumes, err := b.storage.ListVolumes(t.Context(), core.ListVolumesRequest{CompartmentId: b.compartment()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(volumes.Items[0].FreeformTags).To(Equal(map[string]string{"b": "pool", "of": "another"}))
}

func TestAPoolLaunchesNothingWithMoreThanTenTags(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open")
	tags := map[string]string{}
	for _, key := range strings.Fields("a b c d e f g h") {
		tags[key] = "x"
	}
	pool := b.pool(b.configuration(tags), subnet.Id, 1)

	g.Expect(b.members(pool)).To(BeEmpty())
	g.Expect(b.getPool(pool).LifecycleState).To(Equal(core.InstancePoolLifecycleStateProvisioning))
}

func TestAScalingPoolTakesNothingButLessAndItsEnd(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open")
	g.Expect(b.sim.RefuseWhileScaling("one")).To(Succeed())
	g.Expect(b.sim.SetCapacity("one", sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, 1)).To(Succeed())
	pool, other := b.pool(b.configuration(nil), subnet.Id, 1), b.configuration(nil)
	g.Expect(b.resize(pool, 3)).To(Succeed())
	b.clock.Advance(2 * step)

	g.Expect(b.getPool(pool).LifecycleState).To(Equal(core.InstancePoolLifecycleStateScaling))
	_, err := b.pools.DetachInstancePoolInstance(t.Context(), core.DetachInstancePoolInstanceRequest{InstancePoolId: pool,
		DetachInstancePoolInstanceDetails: core.DetachInstancePoolInstanceDetails{InstanceId: b.members(pool)[0].Id}})
	g.Expect(refusal(err)).To(Equal("409 IncorrectState"))
	_, err = b.pools.UpdateInstancePool(t.Context(), core.UpdateInstancePoolRequest{InstancePoolId: pool,
		UpdateInstancePoolDetails: core.UpdateInstancePoolDetails{InstanceConfigurationId: other}})
	g.Expect(refusal(err)).To(Equal("409 IncorrectState"))
	g.Expect(refusal(b.resize(pool, 4))).To(Equal("409 IncorrectState"))
	g.Expect(b.resize(pool, 2)).To(Succeed())
	_, err = b.pools.TerminateInstancePool(t.Context(), core.TerminateInstancePoolRequest{InstancePoolId: pool})
	g.Expect(err).NotTo(HaveOccurred())
}

func TestPoolsAndConfigurationsAreRefused(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open")
	configuration := b.configuration(nil)
	for name, world := range map[string]struct {
		change func(*core.CreateInstancePoolDetails)
		expect string
	}{
		"unknown configuration": {func(d *core.CreateInstancePoolDetails) { d.InstanceConfigurationId = common.String("ocid1.x") }, "404 NotAuthorizedOrNotFound"},
		"negative size":         {func(d *core.CreateInstancePoolDetails) { d.Size = common.Int(-1) }, "400 InvalidParameter"},
		"domain twice": {func(d *core.CreateInstancePoolDetails) {
			d.PlacementConfigurations = append(d.PlacementConfigurations, d.PlacementConfigurations[0])
		}, "400 InvalidParameter"},
		"unknown fault domain": {func(d *core.CreateInstancePoolDetails) {
			d.PlacementConfigurations[0].FaultDomains = []string{"FAULT-DOMAIN-9"}
		}, "400 InvalidParameter"},
		"no subnet": {func(d *core.CreateInstancePoolDetails) { d.PlacementConfigurations[0].PrimaryVnicSubnets = nil }, "400 MissingParameter"},
		"unknown compartment": {func(d *core.CreateInstancePoolDetails) {
			d.CompartmentId = common.String("ocid1.compartment.oc1..x")
		}, "404 NotAuthorizedOrNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			details := b.poolDetails(configuration, subnet.Id, 1)
			world.change(&details)
			_, err := b.pools.CreateInstancePool(t.Context(), core.CreateInstancePoolRequest{CreateInstancePoolDetails: details})
			NewWithT(t).Expect(refusal(err)).To(Equal(world.expect))
		})
	}
	_, err := b.pools.CreateInstanceConfiguration(t.Context(), core.CreateInstanceConfigurationRequest{
		CreateInstanceConfiguration: core.CreateInstanceConfigurationDetails{CompartmentId: b.compartment(), InstanceDetails: core.ComputeInstanceDetails{
			LaunchDetails: &core.InstanceConfigurationLaunchInstanceDetails{Metadata: map[string]string{"x": strings.Repeat("y", 32001)}},
		}}})
	g.Expect(refusal(err)).To(Equal("400 InvalidParameter"), "too much metadata")
	pool := b.pool(configuration, subnet.Id, 0)
	remove := func() error {
		_, err := b.pools.DeleteInstanceConfiguration(t.Context(), core.DeleteInstanceConfigurationRequest{InstanceConfigurationId: configuration})
		return err
	}
	g.Expect(refusal(remove())).To(Equal("409 Conflict"), "a pool uses it")
	g.Expect(b.getPool(pool).LifecycleState).To(Equal(core.InstancePoolLifecycleStateRunning), "a pool of size 0 is one too")
	_, err = b.pools.TerminateInstancePool(t.Context(), core.TerminateInstancePoolRequest{InstancePoolId: pool})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(2 * step)
	g.Expect(remove()).To(Succeed())
	g.Expect(refusal(remove())).To(Equal("404 NotAuthorizedOrNotFound"))
}

func TestARepeatedCreationOfAPoolIsOne(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open")
	request := core.CreateInstancePoolRequest{CreateInstancePoolDetails: b.poolDetails(b.configuration(nil), subnet.Id, 1), OpcRetryToken: common.String("t")}
	first, err := b.pools.CreateInstancePool(t.Context(), request)
	g.Expect(err).NotTo(HaveOccurred())
	second, err := b.pools.CreateInstancePool(t.Context(), request)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second.Id).To(Equal(first.Id))
	request.Size = common.Int(2)
	_, err = b.pools.CreateInstancePool(t.Context(), request)
	g.Expect(refusal(err)).To(Equal("409 InvalidatedRetryToken"))
}

func TestAPoolTakesNoPreemptibleInstances(t *testing.T) {
	b := newBench(t)
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "pool").Id
	ordinary := b.configuration(nil)
	cheap := b.configuration(nil, func(d *core.InstanceConfigurationLaunchInstanceDetails) { d.PreemptibleInstanceConfig = preemptible() })

	_, err := b.pools.CreateInstancePool(t.Context(), core.CreateInstancePoolRequest{CreateInstancePoolDetails: b.poolDetails(cheap, subnet, 1)})
	b.g.Expect(refusal(err)).To(Equal("400 InvalidParameter"))
	_, err = b.pools.UpdateInstancePool(t.Context(), core.UpdateInstancePoolRequest{
		InstancePoolId: b.pool(ordinary, subnet, 0), UpdateInstancePoolDetails: core.UpdateInstancePoolDetails{InstanceConfigurationId: cheap},
	})
	b.g.Expect(refusal(err)).To(Equal("400 InvalidParameter"))
}
