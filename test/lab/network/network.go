// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
)

const (
	// Internet is the namespace between the VCNs.
	Internet = "internet"
	// Management is the management host's namespace.
	Management = "mgmt"

	// ManagementAddress is the management host's, on the Internet.
	ManagementAddress = "198.51.100.2"
	// MirrorAddress is its second one, for servers in need of a port of their own.
	MirrorAddress = "198.51.100.3"

	internetBridge = "inet"
	// publicRange is the OCI simulator's (RFC 2544's range for benchmarks).
	publicRange = "198.18.0.0/15"
	// firstRouter is the last number of the first VCN's address on the Internet.
	firstRouter = 10
)

// Network is the Internet with the VCNs on it.
type Network struct {
	mu   sync.Mutex
	vcns map[string]*VCN
}

// Create makes the Internet and the management host.
func Create(ctx context.Context) error {
	if err := addNamespaces(ctx, Internet, Management); err != nil {
		return err
	}
	err := ip(ctx, Internet,
		"link add "+internetBridge+" address "+routerMAC+" type bridge",
		"addr add 198.51.100.1/24 dev "+internetBridge,
		"link set "+internetBridge+" up",
		"link add mgmt type veth peer name eth0 netns "+Management,
		"link set mgmt master "+internetBridge,
		"link set mgmt up",
		"route add "+publicRange+" dev "+internetBridge,
	)
	if err != nil {
		return err
	}
	return ip(ctx, Management,
		"addr add "+ManagementAddress+"/24 dev eth0",
		"addr add "+MirrorAddress+"/24 dev eth0",
		"link set eth0 up",
		"route add default via 198.51.100.1",
		"route add "+publicRange+" dev eth0",
	)
}

// Open returns the Network made by Create.
func Open() (*Network, error) {
	if _, err := os.Stat(Path(Internet)); err != nil {
		return nil, errors.New("the lab's network does not exist: call enter.Enter first")
	}
	return &Network{vcns: map[string]*VCN{}}, nil
}

// addNamespaces makes namespaces with loopback up, without forwarding, source filters and firewalls
// on bridges: a new namespace has the settings of the lab's host.
func addNamespaces(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := run(ctx, "", "", "ip", "netns", "add", name); err != nil {
			return err
		}
		err := ip(ctx, name, "link set lo up")
		if err == nil {
			err = sysctl(ctx, name, "net.ipv4.ip_forward=0", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
				"net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0")
		}
		if err != nil {
			return errors.Join(err, run(ctx, "", "", "ip", "netns", "delete", name))
		}
	}
	return nil
}

// Block drops packets to one port of the management host, or stops doing so: the server behind it
// cannot be reached, though it runs. protocol is tcp or udp.
func (n *Network) Block(ctx context.Context, protocol string, server netip.AddrPort, blocked bool) error {
	return nft(ctx, Management, blockRules(protocol, server, blocked))
}

// blockRules are a table for each server. They cut open connections as well; the
// management host's own do not pass eth0.
func blockRules(protocol string, server netip.AddrPort, blocked bool) string {
	table := fmt.Sprintf("lab_block_%s_%s_%d", protocol, strings.ReplaceAll(server.Addr().String(), ".", "_"), server.Port())
	rules := fmt.Sprintf("table ip %s\ndelete table ip %s\n", table, table)
	if blocked {
		rules += fmt.Sprintf("table ip %s {\n chain input { type filter hook input priority -300;\n  iifname \"eth0\" ip daddr %s %s dport %d drop\n }\n}\n",
			table, server.Addr(), protocol, server.Port())
	}
	return rules
}

// Close removes the VCNs and their machines.
func (n *Network) Close(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	for _, v := range n.vcns {
		errs = append(errs, v.remove(ctx))
	}
	n.vcns = map[string]*VCN{}
	return errors.Join(errs...)
}

// gateway is the first host of a subnet, kept by OCI for its router.
func gateway(subnet netip.Prefix) netip.Addr { return subnet.Masked().Addr().Next() }
