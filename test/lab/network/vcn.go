// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// Addresses on each VCN's own link-local network, as in OCI.
const (
	MetadataAddress = "169.254.169.254"
	// BootVolumeAddress and DataVolumeAddress are iSCSI targets.
	BootVolumeAddress = "169.254.0.2"
	DataVolumeAddress = "169.254.2.2"
)

// routerMAC is a VCN's router's. Without one of its own a bridge takes one of its ports', and
// would change it with machines coming or going: for seconds the others' packets would be lost.
const routerMAC = "02:00:17:00:00:01"

// VCN is one of an OCI account's networks: a router to the Internet with a bridge for its machines.
// VCNs do not meet, of whichever account they are, so their ranges may be the same.
type VCN struct {
	name, namespace string
	// address is the router's on the Internet, hardware its link's there: a recreated VCN has
	// the same, or others would send to the old one until they notice.
	address, hardware string

	mu       sync.Mutex
	gateways map[netip.Prefix]bool
	machines map[string]*Machine
}

// AddVCN makes a VCN's router. Names differ in their first 12 characters: these name its link.
func (n *Network) AddVCN(ctx context.Context, name string) (*VCN, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	v := &VCN{name: name, namespace: "a-" + name, address: fmt.Sprintf("198.51.100.%d", firstRouter+len(n.vcns)),
		hardware: fmt.Sprintf("02:00:17:00:01:%02x", firstRouter+len(n.vcns)),
		gateways: map[netip.Prefix]bool{}, machines: map[string]*Machine{}}
	if err := v.create(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make the VCN %s: %w", name, err), v.disconnect(ctx))
	}
	n.vcns[name] = v
	return v, nil
}

// Namespace is the router's network namespace.
func (v *VCN) Namespace() string { return v.namespace }

func (v *VCN) create(ctx context.Context) error {
	if err := addNamespaces(ctx, v.namespace); err != nil {
		return err
	}
	if err := sysctl(ctx, v.namespace, "net.ipv4.ip_forward=1"); err != nil {
		return err
	}
	port := v.port()
	if err := ip(ctx, Internet,
		"link add "+port+" type veth peer name up0 address "+v.hardware+" netns "+v.namespace,
		"link set "+port+" master "+internetBridge,
		"link set "+port+" up"); err != nil {
		return err
	}
	if err := ip(ctx, v.namespace,
		"link add vcn address "+routerMAC+" type bridge",
		"link set vcn up",
		"addr add "+MetadataAddress+"/32 dev vcn",
		"addr add "+BootVolumeAddress+"/32 dev vcn",
		"addr add "+DataVolumeAddress+"/32 dev vcn",
		"addr add "+v.address+"/24 dev up0",
		"link set up0 up",
		"route add default via 198.51.100.1",
		"route add "+publicRange+" dev up0"); err != nil {
		return err
	}
	return v.reload(ctx)
}

// port is the VCN's link on the Internet's bridge; names of links have 15
// characters at most.
func (v *VCN) port() string { return "a-" + v.name[:min(len(v.name), 12)] }

// reload replaces the router's rules. Only translated packets leave, and only answers and packets
// translated to a machine come in.
func (v *VCN) reload(ctx context.Context) error {
	return nft(ctx, v.namespace, routerRules(v.publicAddresses()))
}

func (v *VCN) publicAddresses() map[netip.Addr]netip.Addr {
	public := map[netip.Addr]netip.Addr{}
	for _, m := range v.machines {
		if m.config.PublicIP.IsValid() {
			public[m.config.PublicIP] = m.config.PrivateIP
		}
	}
	return public
}

// routerRules are the router's nftables rules, given private addresses by public
// ones. OCI's Internet gateway translates one to one, its NAT gateway many to one.
func routerRules(public map[netip.Addr]netip.Addr) string {
	var in, out strings.Builder
	for _, address := range slices.SortedFunc(maps.Keys(public), netip.Addr.Compare) {
		fmt.Fprintf(&in, "  iifname \"up0\" ip daddr %s dnat ip to %s\n", address, public[address])
		fmt.Fprintf(&out, "  oifname \"up0\" ip saddr %s snat ip to %s\n", public[address], address)
	}
	return "table inet lab\ndelete table inet lab\ntable inet lab {\n" +
		" chain prerouting { type nat hook prerouting priority dstnat;\n" + in.String() + " }\n" +
		" chain postrouting { type nat hook postrouting priority srcnat;\n" + out.String() + "  oifname \"up0\" masquerade\n }\n" +
		" chain forward { type filter hook forward priority filter; policy drop;\n" +
		// Packets unknown to connection tracking are not translated and would leave with their
		// private address.
		"  ct state invalid drop\n  iifname \"vcn\" accept\n  iifname \"up0\" ct state established,related accept\n  iifname \"up0\" ct status dnat accept\n }\n}\n"
}

// SetUplink cuts the VCN off the Internet at once, or connects it again.
// Inside it everything goes on.
func (v *VCN) SetUplink(ctx context.Context, up bool) error {
	return ip(ctx, Internet, "link set "+v.port()+" "+state(up))
}

func state(up bool) string {
	if up {
		return "up"
	}
	return "down"
}

// disconnect deletes the router's namespace and its link. The link is deleted by
// name: the kernel takes its time to take a namespace apart.
func (v *VCN) disconnect(ctx context.Context) error {
	return errors.Join(
		ip(ctx, Internet, "link del "+v.port()),
		run(ctx, "", "", "ip", "netns", "delete", v.namespace))
}

func (v *VCN) remove(ctx context.Context) error {
	v.mu.Lock()
	machines := slices.Collect(maps.Values(v.machines))
	v.mu.Unlock()
	var errs []error
	for _, m := range machines {
		errs = append(errs, m.Remove(ctx))
	}
	return errors.Join(append(errs, v.disconnect(ctx))...)
}
