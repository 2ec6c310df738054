// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/enter"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/machine"
)

// SoloOptions configure a machine without a cluster.
type SoloOptions struct {
	// Account is one of the World's, VCN an OCID of one in it; empty means the account's first.
	Account, VCN string
	// Input is rendered as the manager does. Hostname names the machine: its last 8 letters and
	// digits are its own in this World. An empty login server is the World's, an empty key is made,
	// and an empty Kubernetes version with bootstrap mode preinstalled is the newest one with an
	// image.
	Input cloudinit.Input
	// Metadata is the instance's beside its user data.
	Metadata map[string]string
	// Public gives the machine a public address.
	Public bool
	// Volumes are the sizes in GB of the attached volumes, by device.
	Volumes map[string]int64
	// Files are put on the disk, by absolute path, before the first boot; those
	// in a folder bin are executable.
	Files map[string]string
	// Before is called when the disk is there and nothing has booted; nil does nothing.
	Before func(*Solo) error
}

// Solo is a machine without a cluster and without a launch.
type Solo struct {
	Name, ID string
	// Key is the auth key in its user data, UserData the metadata service's answer, in base64.
	Key, UserData string
	PrivateIP     string

	world    *World
	instance sim.Machine
}

// firstSolo is the number below the first such machine's, the last one of its addresses.
const firstSolo = 10

// BootSolo makes a machine and returns when its init runs. It ends with the World.
func (w *World) BootSolo(ctx context.Context, o SoloOptions) (*Solo, error) {
	in := o.Input
	if in.Tailnet.LoginServer == "" {
		in.Tailnet.LoginServer = loginServer
	}
	if in.Tailnet.AuthKey == "" {
		key, err := w.CreateKey(ctx, time.Hour, nodeTag)
		if err != nil {
			return nil, err
		}
		in.Tailnet.AuthKey = cloudinit.Secret(key.Key)
	}
	s := &Solo{Name: in.Hostname, Key: string(in.Tailnet.AuthKey), world: w}
	s.instance = sim.Machine{Tenancy: o.Account, VcnID: o.VCN, DisplayName: in.Hostname, Region: regionOfAccounts, Shape: machineShape, Arch: "amd64",
		AvailabilityDomain: "AD-1", FaultDomain: "FAULT-DOMAIN-1", SubnetCIDR: "10.0.0.0/24", Metadata: map[string]string{}}
	if in.BootstrapMode != cloudinit.BootstrapInstall {
		versions := w.Programs.Assets.Versions()
		if in.KubernetesVersion == "" {
			in.KubernetesVersion = versions[len(versions)-1]
		}
		s.instance.ImageName = imageName(in.KubernetesVersion)
	}
	userData, err := cloudinit.Render(in)
	if err == nil {
		err = cloudinit.CheckSize(userData, o.Metadata)
	}
	if err != nil {
		return nil, fmt.Errorf("render the user data of %s: %w", in.Hostname, err)
	}
	s.UserData = base64.StdEncoding.EncodeToString(userData)
	for key, value := range o.Metadata {
		s.instance.Metadata[key] = value
	}
	s.instance.Metadata[cloudinit.UserDataKey], s.instance.UserData = s.UserData, userData
	return s, s.boot(ctx, o)
}

// boot gives the machine its place, its disk and its first boot.
func (s *Solo) boot(ctx context.Context, o SoloOptions) error {
	plain := strings.ReplaceAll(s.Name, "-", "")
	s.ID = "ocid1.instance.oc1.lab.solo" + strings.Repeat("0", max(0, 8-len(plain))) + plain
	number := s.world.solos.Add(1)
	s.PrivateIP = fmt.Sprintf("10.0.0.%d", firstSolo+number)
	s.instance.ID, s.instance.PrivateIP = s.ID, s.PrivateIP
	if o.Public {
		s.instance.PublicIP = fmt.Sprintf("198.19.0.%d", firstSolo+number)
	}
	for device, size := range o.Volumes {
		s.instance.DataVolumes = append(s.instance.DataVolumes, sim.DataVolume{ID: s.volumeID(device), Device: device, SizeInGBs: size})
	}
	m := s.world.machines
	i := m.instance(s.ID)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.machine != nil || i.gone {
		return fmt.Errorf("there is a machine %s already", short(s.ID))
	}
	if err := m.create(ctx, i, s.instance); err != nil {
		return err
	}
	if err := s.putFiles(o.Files); err != nil {
		return err
	}
	if o.Before != nil {
		if err := o.Before(s); err != nil {
			return err
		}
	}
	return m.boot(ctx, i, s.instance)
}

func (s *Solo) putFiles(files map[string]string) error {
	for path, content := range files {
		mode := os.FileMode(0o644)
		if strings.Contains(filepath.Dir(path), "bin") {
			mode = 0o755
		}
		target := s.DiskPath(path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return fmt.Errorf("put files on the disk of %s: %w", s.Name, err)
		}
		if err := os.WriteFile(target, []byte(content), mode); err != nil {
			return fmt.Errorf("put files on the disk of %s: %w", s.Name, err)
		}
	}
	return nil
}

// DiskPath is the lab's path to a path of the machine's disk, running or not.
func (s *Solo) DiskPath(path string) string {
	return filepath.Join(s.world.Dir, "machines", short(s.ID), "root", path)
}

// VolumePath is the file behind a volume.
func (s *Solo) VolumePath(device string) string {
	return filepath.Join(s.world.Dir, enter.VolumesDir(), short(s.volumeID(device)))
}

// volumeID ends in the device's last letter and the machine's last ones, so short keeps it apart.
func (s *Solo) volumeID(device string) string {
	own := short(s.ID)
	return "ocid1.volume.oc1.lab." + own[1:] + device[len(device)-1:]
}

// Machine is the machine itself.
func (s *Solo) Machine() *machine.Machine { return s.world.Machine(s.ID) }

// Exec runs a shell script in the machine and returns its output.
func (s *Solo) Exec(ctx context.Context, script string) (string, error) {
	m := s.Machine()
	if m == nil {
		return "", fmt.Errorf("%s is gone", s.Name)
	}
	return m.Exec(ctx, "sh", "-c", script)
}

// Console is the whole output to the machine's console.
func (s *Solo) Console() (string, error) {
	m := s.Machine()
	if m == nil {
		return "", fmt.Errorf("%s is gone", s.Name)
	}
	text, err := os.ReadFile(m.Console())
	return string(text), err
}

// Device is the machine's device on the tailnet; tailnetsim.ErrNoDevice when it has
// none, another error when it has several.
func (s *Solo) Device(ctx context.Context) (tailnetsim.Device, error) {
	all, err := s.world.Tailnet.Devices(ctx)
	if err != nil {
		return tailnetsim.Device{}, err
	}
	var own []tailnetsim.Device
	for _, d := range all {
		if d.Hostname == s.Name {
			own = append(own, d)
		}
	}
	switch len(own) {
	case 0:
		return tailnetsim.Device{}, tailnetsim.ErrNoDevice
	case 1:
		return own[0], nil
	default:
		return tailnetsim.Device{}, errors.New("several devices are called " + s.Name)
	}
}

// RouterNamespace is the network namespace of the router of an account's first VCN, which is that
// of machines without a cluster; a machine's neighbours on its VCN are connected to it.
func (w *World) RouterNamespace(account string) string {
	a := w.networks[account]
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.vcns[""].Namespace()
}

// Destroy ends the machine and removes its disk.
func (s *Solo) Destroy() { s.world.machines.Terminate(context.Background(), s.instance) }
