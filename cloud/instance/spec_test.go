// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

func aLaunch() Launch {
	yes := true
	return Launch{
		Machine: infrav1.OCIMeshMachineSpec{
			Shapes: []infrav1.Shape{
				{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12}, {Name: "VM.Standard.E5.Flex", OCPUs: 1, MemoryGB: 8},
			},
			BootVolume: infrav1.BootVolume{SizeGB: 100},
			DataVolumes: []infrav1.DataVolume{
				{Name: "data", SizeGB: 50, VPUsPerGB: 20}, {Name: "logs", SizeGB: 60, VPUsPerGB: 10},
			},
			SSHAuthorizedKeys: []string{"ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b"},
			Preemptible:       &yes,
			Tags:              map[string]string{"team": "red"},
		},
		Placement: infrav1.Placement{
			Attempt: 3, Account: "alice", AvailabilityDomain: "Uocm:AD-1", FaultDomain: "FAULT-DOMAIN-2",
			Shape: "VM.Standard.E5.Flex", ImageID: "ocid1.image.oc1..a",
		},
		Network: infrav1.ClusterAccountStatus{
			Name: "alice", SubnetID: "ocid1.subnet.oc1..a", NetworkSecurityGroupIDs: []string{"ocid1.networksecuritygroup.oc1..a"},
			PublicIP: &yes,
		},
		Owner: ownership.Machine("6f1b4a8e-0c5d-4a53-9f0a-0d8c5f6e7a11", "team", "worker"), Hostname: "worker-6f1b4a8e",
		Tags:     map[string]string{infrav1.MachineUIDTag: "6f1b4a8e-0c5d-4a53-9f0a-0d8c5f6e7a11"},
		UserData: []byte("user data"), KeyID: "k1",
	}
}

func TestTheSpecHoldsAllThatTheLaunchSays(t *testing.T) {
	g := NewWithT(t)
	higher, balanced := int64(20), int64(10)
	launch := aLaunch()
	g.Expect(Spec(launch)).To(Equal(oci.LaunchSpec{
		DisplayName:        "worker-6f1b4a8e",
		AvailabilityDomain: "Uocm:AD-1", FaultDomain: "FAULT-DOMAIN-2",
		Shape: "VM.Standard.E5.Flex", OCPUs: 1, MemoryGB: 8,
		ImageID:    "ocid1.image.oc1..a",
		BootVolume: oci.VolumeSize{GB: 100},
		DataVolumes: []oci.LaunchVolume{
			{VolumeSize: oci.VolumeSize{GB: 50, VPUsPerGB: &higher}, DisplayName: "worker-6f1b4a8e-data", Device: "/dev/oracleoci/oraclevdb"},
			{VolumeSize: oci.VolumeSize{GB: 60, VPUsPerGB: &balanced}, DisplayName: "worker-6f1b4a8e-logs", Device: "/dev/oracleoci/oraclevdc"},
		},
		SubnetID: "ocid1.subnet.oc1..a", NSGIDs: []string{"ocid1.networksecuritygroup.oc1..a"}, AssignPublicIP: true,
		UserData: []byte("user data"), SSHAuthorizedKeys: []string{"ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b"},
		Preemptible: true,
		Tags:        map[string]string{"team": "red", infrav1.MachineUIDTag: "6f1b4a8e-0c5d-4a53-9f0a-0d8c5f6e7a11"},
		RetryToken:  RetryToken(launch.Owner, launch.Placement, "k1"),
	}))
	g.Expect(launch.Machine.Tags).To(HaveLen(1), "the machine's own map is not written to")
}

func TestTheRetryTokenIsTheLaunchs(t *testing.T) {
	g := NewWithT(t)
	same := RetryToken(owned("uid"), infrav1.Placement{Attempt: 1, Account: "alice"}, "k1")
	g.Expect(same).To(HaveLen(64))
	g.Expect(RetryToken(owned("uid"), infrav1.Placement{Attempt: 1, Account: "alice", Reason: "another"}, "k1")).To(Equal(same))
	for _, other := range []string{
		RetryToken(owned("another"), infrav1.Placement{Attempt: 1, Account: "alice"}, "k1"),
		RetryToken(owned("uid"), infrav1.Placement{Attempt: 2, Account: "alice"}, "k1"),
		RetryToken(owned("uid"), infrav1.Placement{Attempt: 1, Account: "bob"}, "k1"),
		RetryToken(owned("uid"), infrav1.Placement{Attempt: 1, Account: "alice"}, "k2"),
		RetryToken(owned("uid"), infrav1.Placement{Attempt: 1, Account: "alice", FaultDomain: "FD"}, "k1"),
	} {
		g.Expect(other).NotTo(Equal(same))
	}
}

func TestMetadataIsWhatIsSentBesideUserData(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Metadata(infrav1.OCIMeshMachineSpec{})).To(BeEmpty())
	g.Expect(Metadata(aLaunch().Machine)).To(Equal(map[string]string{"ssh_authorized_keys": "ssh-ed25519 AAAA a\nssh-ed25519 BBBB b"}))
}
