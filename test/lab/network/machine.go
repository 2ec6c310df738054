// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// MachineConfig is a machine's place in its account.
type MachineConfig struct {
	// ID names the wire: at most 12 letters and digits, unique over all accounts.
	ID        string
	PrivateIP netip.Addr
	Subnet    netip.Prefix
	// PublicIP is the zero value for a machine without one.
	PublicIP netip.Addr
}

// Machine is a machine's wire: a network namespace with the interface ens3.
type Machine struct {
	account   *Account
	config    MachineConfig
	namespace string
}

// AddMachine makes a machine's namespace and connects it to the account.
func (a *Account) AddMachine(ctx context.Context, config MachineConfig) (*Machine, error) {
	m := &Machine{account: a, config: config, namespace: Prefix + "m-" + config.ID}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := addNamespaces(ctx, m.namespace); err != nil {
		return nil, err
	}
	a.machines[config.ID] = m
	if err := a.connect(ctx, m); err != nil {
		return nil, errors.Join(err, a.release(ctx, m))
	}
	return m, nil
}

func (a *Account) connect(ctx context.Context, m *Machine) error {
	var router []string
	subnet := m.config.Subnet.Masked()
	if !a.gateways[subnet] {
		router = append(router, fmt.Sprintf("addr add %s/%d dev vcn", gateway(subnet), subnet.Bits()))
		a.gateways[subnet] = true
	}
	if m.config.PublicIP.IsValid() {
		router = append(router, fmt.Sprintf("addr add %s/32 dev up0", m.config.PublicIP))
	}
	router = append(router,
		"link add "+m.port()+" type veth peer name ens3 netns "+m.namespace,
		"link set "+m.port()+" master vcn",
		"link set "+m.port()+" up")
	if err := ip(ctx, a.namespace, router...); err != nil {
		return err
	}
	if err := ip(ctx, m.namespace, m.addresses()...); err != nil {
		return err
	}
	return a.reload(ctx)
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
	a := m.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.unplug(ctx, m); err != nil {
		return err
	}
	if err := addNamespaces(ctx, m.namespace); err != nil {
		return err
	}
	if err := ip(ctx, a.namespace,
		"link add "+m.port()+" type veth peer name ens3 netns "+m.namespace,
		"link set "+m.port()+" master vcn",
		"link set "+m.port()+" up"); err != nil {
		return err
	}
	return ip(ctx, m.namespace, m.addresses()...)
}

// SetLink unplugs the machine's wire, or plugs it in again.
func (m *Machine) SetLink(ctx context.Context, up bool) error {
	return ip(ctx, m.account.namespace, "link set "+m.port()+" "+state(up))
}

// Remove takes the machine out of the account.
func (m *Machine) Remove(ctx context.Context) error {
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	return m.account.release(ctx, m)
}

func (a *Account) release(ctx context.Context, m *Machine) error {
	if a.machines[m.config.ID] == nil {
		return nil
	}
	delete(a.machines, m.config.ID)
	err := errors.Join(a.unplug(ctx, m), forget(ctx, a.namespace, m.config.PrivateIP))
	if m.config.PublicIP.IsValid() {
		err = errors.Join(err, ip(ctx, a.namespace, fmt.Sprintf("addr del %s/32 dev up0", m.config.PublicIP)))
	}
	return errors.Join(err, a.reload(ctx))
}

// unplug deletes the machine's namespace and its wire. The wire is deleted by name: a process still
// holding the namespace would keep it otherwise.
func (a *Account) unplug(ctx context.Context, m *Machine) error {
	return errors.Join(
		ip(ctx, a.namespace, "link del "+m.port()),
		run(ctx, "", "", "ip", "netns", "delete", m.namespace))
}
