// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// Vnic is OCI's virtual network interface.
type Vnic struct {
	Meta
	AvailabilityDomain  string   `json:"availabilityDomain"`
	SubnetID            string   `json:"subnetId"`
	IsPrimary           bool     `json:"isPrimary"`
	PrivateIP           string   `json:"privateIp"`
	PublicIP            string   `json:"publicIp,omitempty"`
	HostnameLabel       string   `json:"hostnameLabel,omitempty"`
	MacAddress          string   `json:"macAddress"`
	NsgIDs              []string `json:"nsgIds"`
	SkipSourceDestCheck bool     `json:"skipSourceDestCheck"`

	instance string
}

// VnicAttachment joins a VNIC to an instance. VnicID is empty until ATTACHED
// (oci-go-sdk core/vnic_attachment.go).
type VnicAttachment struct {
	Meta
	AvailabilityDomain string `json:"availabilityDomain"`
	InstanceID         string `json:"instanceId"`
	SubnetID           string `json:"subnetId"`
	VnicID             string `json:"vnicId,omitempty"`
	NicIndex           int    `json:"nicIndex"`

	vnic *Vnic
}

// CreateVnicDetails describes an instance's VNIC.
type CreateVnicDetails struct {
	SubnetID            string   `json:"subnetId"`
	AssignPublicIP      *bool    `json:"assignPublicIp"`
	AssignIpv6IP        *bool    `json:"assignIpv6Ip"`
	Ipv6Pairs           []any    `json:"ipv6AddressIpv6SubnetCidrPairDetails"`
	DisplayName         string   `json:"displayName"`
	HostnameLabel       string   `json:"hostnameLabel"`
	NsgIDs              []string `json:"nsgIds"`
	PrivateIP           string   `json:"privateIp"`
	PrivateIPID         string   `json:"privateIpId"`
	SkipSourceDestCheck *bool    `json:"skipSourceDestCheck"`
	VlanID              string   `json:"vlanId"`
	Tags
}

var hostnameLabel = regexp.MustCompile(`^[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)

// planVnic checks everything about a VNIC before anything is made.
func (s *State) planVnic(caller *User, ad string, details CreateVnicDetails) (*Subnet, error) {
	if details.SubnetID == "" {
		return nil, ErrMissing("createVnicDetails.subnetId")
	}
	subnet, err := getAlive[*Subnet](s, caller, details.SubnetID)
	if err != nil {
		return nil, s.related(err)
	}
	if subnet.LifecycleState != StateAvailable {
		return nil, ErrIncorrectState("The subnet %s is in the state %s", subnet.ID, subnet.LifecycleState)
	}
	if subnet.AvailabilityDomain != "" && subnet.AvailabilityDomain != ad {
		return nil, ErrInvalid("The subnet %s is not in the availability domain %s", subnet.ID, ad)
	}
	if details.AssignPublicIP != nil && *details.AssignPublicIP && subnet.ProhibitPublicIPOnVnic {
		return nil, ErrInvalid("Public IP addresses are prohibited on VNICs in the subnet %s", subnet.ID)
	}
	if details.VlanID != "" || details.PrivateIPID != "" {
		return nil, ErrNotFound()
	}
	if details.AssignIpv6IP != nil && *details.AssignIpv6IP || len(details.Ipv6Pairs) > 0 {
		return nil, ErrInvalid("The subnet %s is not IPv6 enabled", subnet.ID)
	}
	if err := s.checkHostname(subnet, details.HostnameLabel); err != nil {
		return nil, err
	}
	if err := s.checkNsgs(caller, subnet.VcnID, details.NsgIDs); err != nil {
		return nil, err
	}
	_, err = s.pickAddress(subnet, details.PrivateIP)
	return subnet, err
}

// checkHostname refuses a label the subnet's DNS could not serve.
func (s *State) checkHostname(subnet *Subnet, label string) error {
	if label == "" {
		return nil
	}
	if subnet.DNSLabel == "" {
		return ErrInvalid("hostnameLabel cannot be set: the subnet %s has no DNS label", subnet.ID)
	}
	if !hostnameLabel.MatchString(label) {
		return ErrInvalid("hostnameLabel '%s' is not valid", label)
	}
	taken := alive(s, func(v *Vnic) bool { return v.SubnetID == subnet.ID && strings.EqualFold(v.HostnameLabel, label) })
	if len(taken) > 0 {
		return ErrConflict("hostnameLabel '%s' is already used in the subnet %s", label, subnet.ID)
	}
	return nil
}

// checkNsgs refuses groups of another network and more than OCI's five for a VNIC.
func (s *State) checkNsgs(caller *User, vcn string, ids []string) error {
	if len(ids) > 5 {
		return ErrInvalid("A VNIC can be in at most 5 network security groups")
	}
	seen := map[string]bool{}
	for _, id := range ids {
		group, err := getAlive[*NetworkSecurityGroup](s, caller, id)
		if err != nil {
			return s.related(err)
		}
		if group.VcnID != vcn {
			return ErrInvalid("The network security group %s is not in the VCN %s", id, vcn)
		}
		if seen[id] {
			return ErrInvalid("The network security group %s is given twice", id)
		}
		seen[id] = true
	}
	return nil
}

// pickAddress finds a free private address. OCI keeps the first two and the
// last of every subnet (docs.oracle.com, Network/Concepts/overview.htm).
func (s *State) pickAddress(subnet *Subnet, wanted string) (string, error) {
	prefix := netip.MustParsePrefix(subnet.CidrBlock)
	used := map[string]bool{}
	for _, vnic := range alive(s, func(v *Vnic) bool { return v.SubnetID == subnet.ID }) {
		used[vnic.PrivateIP] = true
	}
	for _, balancer := range alive(s, func(n *NetworkLoadBalancer) bool { return n.SubnetID == subnet.ID }) {
		used[balancer.privateIP] = true
	}
	for _, balancer := range alive(s, func(l *LoadBalancer) bool { return l.SubnetIDs[0] == subnet.ID }) {
		used[balancer.privateIP] = true
	}
	usable := func(address netip.Addr) bool { return prefix.Contains(address) && prefix.Contains(address.Next()) }
	first := prefix.Addr().Next().Next()
	if wanted != "" {
		address, err := netip.ParseAddr(wanted)
		if err != nil || !usable(address) || address.Less(first) {
			return "", ErrInvalid("privateIp '%s' is not a usable address of the subnet %s", wanted, subnet.ID)
		}
		if used[wanted] {
			return "", ErrConflict("The IP address %s is already in use", wanted)
		}
		return wanted, nil
	}
	for address := first; usable(address); address = address.Next() {
		if !used[address.String()] {
			return address.String(), nil
		}
	}
	return "", ErrInvalid("The subnet %s has no free IP addresses", subnet.ID)
}

// newPublicIP hands out addresses of 198.18.0.0/15, RFC 2544's range for benchmarks: it is unused
// on the Internet.
func (s *State) newPublicIP() string {
	address := s.world.publicRange.Addr().As4()
	binary.BigEndian.PutUint32(address[:], binary.BigEndian.Uint32(address[:])+s.world.publicIPs.Add(1))
	return netip.AddrFrom4(address).String()
}

func (s *State) newVnic(instance *Instance, subnet *Subnet, details CreateVnicDetails, primary bool) *VnicAttachment {
	name := details.DisplayName
	if name == "" {
		name = instance.DisplayName
	}
	vnic := &Vnic{
		Meta:               s.newMeta("vnic", instance.CompartmentID, name, details.Tags),
		AvailabilityDomain: instance.AvailabilityDomain, SubnetID: subnet.ID, IsPrimary: primary,
		HostnameLabel: details.HostnameLabel, MacAddress: fmt.Sprintf("02:00:17:%02X:%02X:%02X", s.sequence>>16&255, s.sequence>>8&255, s.sequence&255),
		NsgIDs: details.NsgIDs, instance: instance.ID,
		SkipSourceDestCheck: details.SkipSourceDestCheck != nil && *details.SkipSourceDestCheck,
	}
	if vnic.NsgIDs == nil {
		vnic.NsgIDs = []string{}
	}
	// planVnic has found the address free under the same lock.
	vnic.PrivateIP, _ = s.pickAddress(subnet, details.PrivateIP)
	public := !subnet.ProhibitPublicIPOnVnic && primary
	if details.AssignPublicIP != nil {
		public = *details.AssignPublicIP
	}
	if public {
		vnic.PublicIP = s.newPublicIP()
	}
	put(s, vnic)
	attachment := &VnicAttachment{
		Meta:               s.newMeta("vnicattachment", instance.CompartmentID, name, Tags{}),
		AvailabilityDomain: instance.AvailabilityDomain, InstanceID: instance.ID, SubnetID: subnet.ID, vnic: vnic,
	}
	attachment.LifecycleState = StateAttaching
	put(s, attachment)
	return attachment
}

func (a *VnicAttachment) attach() {
	if a.LifecycleState == StateAttaching {
		a.VnicID = a.vnic.ID
		a.setState(StateAttached)
		a.vnic.setState(StateAvailable)
	}
}

// GetVnic describes a VNIC; without its instance it is not found.
func (s *State) GetVnic(caller *User, id string) (*Vnic, error) {
	return getAlive[*Vnic](s, caller, id)
}

// GetVnicAttachment describes a VNIC attachment.
func (s *State) GetVnicAttachment(caller *User, id string) (*VnicAttachment, error) {
	return get[*VnicAttachment](s, caller, id)
}

// AttachmentQuery filters the lists of attachments.
type AttachmentQuery struct {
	ListQuery
	AvailabilityDomain string
	InstanceID         string
	// OtherID is the OCID of the attached VNIC or volume.
	OtherID string
}

func (q AttachmentQuery) matches(ad, instance, other string) bool {
	return (q.AvailabilityDomain == "" || q.AvailabilityDomain == ad) &&
		(q.InstanceID == "" || q.InstanceID == instance) && (q.OtherID == "" || q.OtherID == other)
}

// ListVnicAttachments lists a compartment's VNIC attachments.
func (s *State) ListVnicAttachments(caller *User, query AttachmentQuery) ([]*VnicAttachment, string, error) {
	return list(s, caller, query.ListQuery, func(a *VnicAttachment) bool {
		return query.matches(a.AvailabilityDomain, a.InstanceID, a.VnicID)
	})
}
