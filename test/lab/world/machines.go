// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/enter"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/machine"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/metadata"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
)

// machines boots the simulator's instances as real machines. It implements
// sim.Booter.
type machines struct {
	world *World

	mu   sync.Mutex
	byID map[string]*instance
}

var _ sim.Booter = (*machines)(nil)

// instance is one simulated instance. Its lock orders the simulator's events: they come in
// goroutines of their own.
type instance struct {
	mu      sync.Mutex
	wire    *network.Machine
	machine *machine.Machine
	address netip.Addr
	vcn     *vcn
	gone    bool
	// hangs is set while nothing but the end of its power ends what runs on it.
	hangs bool
}

func newMachines(w *World) *machines { return &machines{world: w, byID: map[string]*instance{}} }

func (m *machines) instance(id string) *instance {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.byID[id]
	if i == nil {
		i = &instance{}
		m.byID[id] = i
	}
	return i
}

// Boot starts the machine, the first time on a fresh disk.
func (m *machines) Boot(ctx context.Context, s sim.Machine) {
	i := m.instance(s.ID)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.gone || ctx.Err() != nil {
		return
	}
	if err := m.boot(ctx, i, s); err != nil {
		m.world.note("%s does not boot: %v", s.DisplayName, err)
	}
}

func (m *machines) boot(ctx context.Context, i *instance, s sim.Machine) error {
	if s.Arch != "amd64" {
		return fmt.Errorf("the lab has no %s machines: choose a shape of amd64", s.Arch)
	}
	if i.machine == nil {
		if err := m.create(ctx, i, s); err != nil {
			return err
		}
	}
	for _, volume := range s.DataVolumes {
		backing := filepath.Join(m.world.Dir, enter.VolumesDir(), short(volume.ID))
		if err := i.machine.AttachVolume(ctx, volume.Device, backing, volume.SizeInGBs<<30); err != nil {
			return err
		}
	}
	return i.machine.Boot(ctx)
}

// create makes the machine's wire and disk.
func (m *machines) create(ctx context.Context, i *instance, s sim.Machine) error {
	wire, err := wireOf(s)
	if err != nil {
		return err
	}
	if i.vcn, err = m.world.networks[s.Tenancy].vcn(ctx, s.VcnID); err != nil {
		return err
	}
	if i.wire, err = i.vcn.AddMachine(ctx, wire); err != nil {
		return err
	}
	i.vcn.services.Set(wire.PrivateIP, metadataOf(s))
	a := m.world.Programs.Assets
	config := machine.Config{
		Name: wire.ID, Lab: enter.ID(), Namespace: i.wire.Namespace(), InstanceID: s.ID, Hostname: s.DisplayName, UserData: s.UserData,
		Image: a.Stock, ContainerdRoot: a.ContainerdRoot, Dir: filepath.Join(m.world.Dir, "machines", wire.ID),
		Binds:        map[string]string{"/opt/capom-lab/node": m.world.Programs.Node},
		BeforeReboot: i.wire.Reset,
	}
	if version, ok := strings.CutPrefix(s.ImageName, "lab-"); ok {
		config.Image = a.Preinstalled[version]
	}
	if err := os.MkdirAll(config.Dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", s.DisplayName, err)
	}
	i.machine, err = machine.New(config)
	i.address = wire.PrivateIP
	return err
}

func wireOf(s sim.Machine) (network.MachineConfig, error) {
	config := network.MachineConfig{ID: short(s.ID)}
	var err error
	if config.PrivateIP, err = netip.ParseAddr(s.PrivateIP); err != nil {
		return config, fmt.Errorf("private address of %s: %w", s.DisplayName, err)
	}
	if config.Subnet, err = netip.ParsePrefix(s.SubnetCIDR); err != nil {
		return config, fmt.Errorf("subnet of %s: %w", s.DisplayName, err)
	}
	if s.PublicIP != "" {
		config.PublicIP, err = netip.ParseAddr(s.PublicIP)
	}
	return config, err
}

func metadataOf(s sim.Machine) metadata.Instance {
	return metadata.Instance{
		ID: s.ID, DisplayName: s.DisplayName, Hostname: s.DisplayName, State: "Running", CompartmentID: s.CompartmentID, Region: s.Region,
		AvailabilityDomain: s.AvailabilityDomain, FaultDomain: s.FaultDomain, Shape: s.Shape, Metadata: s.Metadata,
	}
}

// Stop shuts the machine down; its disk stays. One that hangs is left running by a soft stop: OCI
// cuts its power after 15 minutes only.
func (m *machines) Stop(ctx context.Context, s sim.Machine) {
	i := m.instance(s.ID)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.machine == nil || i.hangs && s.Soft {
		return
	}
	end := i.machine.Shutdown
	if i.hangs {
		i.hangs, end = false, func(context.Context) error { return i.machine.Kill() }
	}
	if err := end(ctx); err != nil {
		m.world.note("%s does not stop: %v", s.DisplayName, err)
	}
}

// Terminate destroys the machine with its disk.
func (m *machines) Terminate(ctx context.Context, s sim.Machine) {
	i := m.instance(s.ID)
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := m.destroy(ctx, i); err != nil {
		m.world.note("%s is not gone: %v", s.DisplayName, err)
	}
}

func (m *machines) destroy(ctx context.Context, i *instance) error {
	i.gone = true
	var errs []error
	if i.machine != nil {
		errs = append(errs, i.machine.Kill(), i.machine.Destroy())
	}
	if i.wire != nil {
		i.vcn.services.Delete(i.address)
		errs = append(errs, i.wire.Remove(ctx))
	}
	i.machine, i.wire = nil, nil
	return errors.Join(errs...)
}

// close destroys all machines.
func (m *machines) close() error {
	m.mu.Lock()
	all := slices.Collect(maps.Values(m.byID))
	m.mu.Unlock()
	var wait sync.WaitGroup
	errs := make([]error, len(all))
	for n, i := range all {
		wait.Go(func() {
			i.mu.Lock()
			defer i.mu.Unlock()
			errs[n] = m.destroy(context.Background(), i)
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// short is the tail of an OCID, the distinctive part.
func short(ocid string) string { return ocid[max(0, len(ocid)-8):] }

// Booter boots instances of the simulator; tests without instances boot machines with it.
func (w *World) Booter() sim.Booter { return w.machines }

// Machine is the machine of an instance; nil when it never booted or is gone.
func (w *World) Machine(instanceID string) *machine.Machine {
	i := w.machines.instance(instanceID)
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.machine
}

// Hang has an instance's machine hang until its power is cut.
func (w *World) Hang(ctx context.Context, instanceID string) error {
	i := w.machines.instance(instanceID)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.machine == nil {
		return fmt.Errorf("%s has no machine", instanceID)
	}
	i.hangs = true
	return i.machine.Hang(ctx)
}

// Wire is the network interface of an instance's machine; nil when it never booted or is gone.
func (w *World) Wire(instanceID string) *network.Machine {
	i := w.machines.instance(instanceID)
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.wire
}

// Router is the network namespace of the router of an instance's VCN; empty when it never booted.
func (w *World) Router(instanceID string) string {
	i := w.machines.instance(instanceID)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.vcn == nil {
		return ""
	}
	return i.vcn.Namespace()
}

// Account is the network of an OCI account.
func (w *World) Account(name string) *Account { return w.networks[name] }

// Running are the OCIDs of all instances with a running machine.
func (w *World) Running() []string {
	w.machines.mu.Lock()
	all := maps.Clone(w.machines.byID)
	w.machines.mu.Unlock()
	var running []string
	for id := range all {
		if m := w.Machine(id); m != nil && m.Running() {
			running = append(running, id)
		}
	}
	slices.Sort(running)
	return running
}
