// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/limits"
	"github.com/oracle/oci-go-sdk/v65/loadbalancer"
	"github.com/oracle/oci-go-sdk/v65/networkloadbalancer"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// bench is one simulator on a manual clock, a tenancy, and the real SDK's clients of a user with
// full access.
type bench struct {
	g       *WithT
	t       *testing.T
	sim     *sim.Sim
	clock   *sim.ManualClock
	tenancy *sim.Tenancy
	clients
}

type clients struct {
	credentials sim.Credentials
	identity    identity.IdentityClient
	compute     core.ComputeClient
	network     core.VirtualNetworkClient
	storage     core.BlockstorageClient
	limits      limits.LimitsClient
	work        workrequests.WorkRequestClient
	balancers   networkloadbalancer.NetworkLoadBalancerClient
	classic     loadbalancer.LoadBalancerClient
	pools       core.ComputeManagementClient
}

// step is longer than any delay of the benches but shorter than the retention.
const step = time.Minute

func testDelays() *sim.Delays {
	return &sim.Delays{
		Provision: 10 * time.Second, Start: 10 * time.Second, Stop: 10 * time.Second, Terminate: 10 * time.Second,
		Network: time.Second, Volume: time.Second, Retention: time.Hour,
	}
}

// userKey is the key of all users: to make one takes longer than most tests.
var userKey = sync.OnceValues(sim.NewKey)

// newBench starts a simulator; the options may be changed before it starts.
func newBench(t *testing.T, change ...func(*sim.Options, *sim.Tenancy)) *bench {
	t.Helper()
	g := NewWithT(t)
	b := &bench{g: g, t: t, clock: sim.NewManualClock(time.Now()), tenancy: sim.NewTenancy("one")}
	key, err := userKey()
	g.Expect(err).NotTo(HaveOccurred())
	credentials, err := b.tenancy.NewUserWith(key)
	g.Expect(err).NotTo(HaveOccurred())
	options := sim.Options{Tenancies: []*sim.Tenancy{b.tenancy}, Clock: b.clock, Delays: testDelays(), PageSize: 5}
	for _, f := range change {
		f(&options, b.tenancy)
	}
	b.sim, err = sim.New(options)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.sim.Start("127.0.0.1:0")).To(Succeed())
	t.Cleanup(func() { g.Expect(b.sim.Close()).To(Succeed()) })
	b.clients = b.connect(credentials)
	return b
}

// connect builds the SDK's clients for credentials, without retries.
func (b *bench) connect(c sim.Credentials) clients {
	provider := common.NewRawConfigurationProvider(c.TenancyOCID, c.UserOCID, c.Region, c.Fingerprint, c.PrivateKeyPEM, nil)
	made := clients{credentials: c}
	var err error
	made.identity, err = identity.NewIdentityClientWithConfigurationProvider(provider)
	b.g.Expect(err).NotTo(HaveOccurred())
	made.compute, err = core.NewComputeClientWithConfigurationProvider(provider)
	b.g.Expect(err).NotTo(HaveOccurred())
	made.network, err = core.NewVirtualNetworkClientWithConfigurationProvider(provider)
	b.g.Expect(err).NotTo(HaveOccurred())
	made.storage, err = core.NewBlockstorageClientWithConfigurationProvider(provider)
	b.g.Expect(err).NotTo(HaveOccurred())
	made.limits, err = limits.NewLimitsClientWithConfigurationProvider(provider)
	b.g.Expect(err).NotTo(HaveOccurred())
	made.work, err = workrequests.NewWorkRequestClientWithConfigurationProvider(provider)
	b.g.Expect(err).NotTo(HaveOccurred())
	made.balancers, err = networkloadbalancer.NewNetworkLoadBalancerClientWithConfigurationProvider(provider)
	b.g.Expect(err).NotTo(HaveOccurred())
	made.classic, err = loadbalancer.NewLoadBalancerClientWithConfigurationProvider(provider)
	b.g.Expect(err).NotTo(HaveOccurred())
	made.pools, err = core.NewComputeManagementClientWithConfigurationProvider(provider)
	b.g.Expect(err).NotTo(HaveOccurred())
	for _, base := range []*common.BaseClient{&made.pools.BaseClient, &made.classic.BaseClient, &made.balancers.BaseClient, &made.identity.BaseClient, &made.compute.BaseClient, &made.network.BaseClient,
		&made.storage.BaseClient, &made.limits.BaseClient, &made.work.BaseClient} {
		b.aim(base)
	}
	return made
}

// aim points a client at the simulator and switches off everything that hides errors.
func (b *bench) aim(base *common.BaseClient) {
	base.Host = b.sim.URL()
	base.HTTPClient = &http.Client{Timeout: 10 * time.Second}
	none := common.NoRetryPolicy()
	base.Configuration = common.CustomClientConfiguration{RetryPolicy: &none}
}

func (b *bench) compartment() *string { return common.String(b.tenancy.Compartment()) }

// domain is the name of the n-th availability domain.
func (b *bench) domain(n int) *string { return common.String(b.tenancy.AvailabilityDomains()[n]) }

// refusal is an SDK error's status and code, as "400 InvalidParameter".
func refusal(err error) string {
	failure, ok := common.IsServiceError(err)
	if !ok {
		return fmt.Sprintf("no service error: %v", err)
	}
	return fmt.Sprintf("%d %s", failure.GetHTTPStatusCode(), failure.GetCode())
}

// vcn makes an AVAILABLE network with DNS.
func (b *bench) vcn(cidr string) core.Vcn {
	response, err := b.network.CreateVcn(b.t.Context(), core.CreateVcnRequest{CreateVcnDetails: core.CreateVcnDetails{
		CompartmentId: b.compartment(), CidrBlocks: []string{cidr}, DisplayName: common.String("vcn"), DnsLabel: common.String("mesh")}})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	return response.Vcn
}

// subnet makes an AVAILABLE subnet with DNS.
func (b *bench) subnet(vcn core.Vcn, cidr, label string) core.Subnet {
	response, err := b.network.CreateSubnet(b.t.Context(), core.CreateSubnetRequest{CreateSubnetDetails: core.CreateSubnetDetails{
		CompartmentId: b.compartment(), VcnId: vcn.Id, CidrBlock: common.String(cidr), DnsLabel: common.String(label)}})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	return response.Subnet
}

// image is the newest Ubuntu 24.04 for a shape.
func (b *bench) image(shape string) *string {
	response, err := b.compute.ListImages(b.t.Context(), core.ListImagesRequest{CompartmentId: b.compartment(), Shape: common.String(shape),
		OperatingSystem: common.String("Canonical Ubuntu"), OperatingSystemVersion: common.String("24.04"),
		SortBy: core.ListImagesSortByTimecreated, SortOrder: core.ListImagesSortOrderDesc})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(response.Items).NotTo(BeEmpty())
	return response.Items[0].Id
}

// launchDetails is a successful launch.
func (b *bench) launchDetails(subnet core.Subnet) core.LaunchInstanceDetails {
	return core.LaunchInstanceDetails{
		CompartmentId: b.compartment(), AvailabilityDomain: b.domain(0), DisplayName: common.String("machine"),
		Shape:             common.String("VM.Standard.A1.Flex"),
		ShapeConfig:       &core.LaunchInstanceShapeConfigDetails{Ocpus: common.Float32(2), MemoryInGBs: common.Float32(12)},
		SourceDetails:     core.InstanceSourceViaImageDetails{ImageId: b.image("VM.Standard.A1.Flex"), BootVolumeSizeInGBs: common.Int64(50)},
		CreateVnicDetails: &core.CreateVnicDetails{SubnetId: subnet.Id},
		Metadata:          map[string]string{"user_data": "I2Nsb3VkLWNvbmZpZwo="},
		FreeformTags:      map[string]string{"owner": "test"},
	}
}

func (b *bench) launch(details core.LaunchInstanceDetails) (core.Instance, error) {
	response, err := b.compute.LaunchInstance(b.t.Context(), core.LaunchInstanceRequest{LaunchInstanceDetails: details})
	return response.Instance, err
}

func (b *bench) instanceState(id *string) core.InstanceLifecycleStateEnum {
	response, err := b.compute.GetInstance(b.t.Context(), core.GetInstanceRequest{InstanceId: id})
	b.g.Expect(err).NotTo(HaveOccurred())
	return response.LifecycleState
}
