// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// MachineConfig is a machine's place in its VCN.
type MachineConfig struct {
	// ID names the wire: at most 12 letters and digits, unique over all VCNs.
	ID        string
	PrivateIP netip.Addr
	Subnet    netip.Prefix
	// PublicIP is the zero value for a machine without one.
	PublicIP netip.Addr
}

// Machine is a machine's wire: a network namespace with the interface ens3.
type Machine struct {
	vcn       *VCN
	config    MachineConfig
	namespace string
}

// AddMachine makes a machine's namespace and connects it to the VCN.
func (v *VCN) AddMachine(ctx context.Context, config MachineConfig) (*Machine, error) {
	m := &Machine{vcn: v, config: config, namespace: "m-" + config.ID}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := addNamespaces(ctx, m.namespace); err != nil {
		return nil, err
	}
	v.machines[config.ID] = m
	if err := v.connect(ctx, m); err != nil {
		return nil, errors.Join(err, v.release(ctx, m))
	}
	return m, nil
}

func (v *VCN) connect(ctx context.Context, m *Machine) error {
	var router []string
	subnet := m.config.Subnet.Masked()
	if !v.gateways[subnet] {
		router = append(router, fmt.Sprintf("addr add %s/%d dev vcn", gateway(subnet), subnet.Bits()))
		v.gateways[subnet] = true
	}
	if m.config.PublicIP.IsValid() {
		router = append(router, fmt.Sprintf("addr add %s/32 dev up0", m.config.PublicIP))
	}
	router = append(router,
		"link add "+m.port()+" type veth peer name ens3 netns "+m.namespace,
		"link set "+m.port()+" master vcn",
		"link set "+m.port()+" up")
	if err := ip(ctx, v.namespace, router...); err != nil {
		return err
	}
	if err := ip(ctx, m.namespace, m.addresses()...); err != nil {
		return err
	}
	return v.reload(ctx)
}

func (m *Machine) port() string { return "m-" + m.config.ID }

// addresses are as from OCI's DHCP, 169.254.0.0/16 on the link included.
func (m *Machine) addresses() []string {
	return []string{
		fmt.Sprintf("addr replace %s/%d dev ens3", m.config.PrivateIP, m.config.Subnet.Bits()),
		"link set ens3 mtu 1500 up",
		fmt.Sprintf("route replace default via %s dev ens3", gateway(m.config.Subnet)),
		"route replace 169.254.0.0/16 dev ens3 scope link",
	}
}

// Namespace is the name of the machine's network namespace.
func (m *Machine) Namespace() string { return m.namespace }

// Reset brings the namespace back to its state after a boot: without the rules, routes, firewall
// and interfaces of the machine's programs.
func (m *Machine) Reset(ctx context.Context) error {
	v := m.vcn
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.unplug(ctx, m); err != nil {
		return err
	}
	if err := addNamespaces(ctx, m.namespace); err != nil {
		return err
	}
	if err := ip(ctx, v.namespace,
		"link add "+m.port()+" type veth peer name ens3 netns "+m.namespace,
		"link set "+m.port()+" master vcn",
		"link set "+m.port()+" up"); err != nil {
		return err
	}
	return ip(ctx, m.namespace, m.addresses()...)
}

// SetLink unplugs the machine's wire, or plugs it in again.
func (m *Machine) SetLink(ctx context.Context, up bool) error {
	return ip(ctx, m.vcn.namespace, "link set "+m.port()+" "+state(up))
}

// Remove takes the machine out of the VCN.
func (m *Machine) Remove(ctx context.Context) error {
	m.vcn.mu.Lock()
	defer m.vcn.mu.Unlock()
	return m.vcn.release(ctx, m)
}

func (v *VCN) release(ctx context.Context, m *Machine) error {
	if v.machines[m.config.ID] == nil {
		return nil
	}
	delete(v.machines, m.config.ID)
	err := errors.Join(v.unplug(ctx, m), forget(ctx, v.namespace, m.config.PrivateIP))
	if m.config.PublicIP.IsValid() {
		err = errors.Join(err, ip(ctx, v.namespace, fmt.Sprintf("addr del %s/32 dev up0", m.config.PublicIP)))
	}
	return errors.Join(err, v.reload(ctx))
}

// unplug deletes the machine's namespace and its wire. The wire is deleted by name: a process still
// holding the namespace would keep it otherwise.
func (v *VCN) unplug(ctx context.Context, m *Machine) error {
	return errors.Join(
		ip(ctx, v.namespace, "link del "+m.port()),
		run(ctx, "", "", "ip", "netns", "delete", m.namespace))
}
