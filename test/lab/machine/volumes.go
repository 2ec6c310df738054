// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// volume is a block volume: a loop device over a file of the host.
type volume struct{ loop string }

// AttachVolume shows a file of so many bytes as a block device, for example
// /dev/oracleoci/oraclevdb. The file is made, sparse, when it is not there. An attached one is left
// alone.
func (m *Machine) AttachVolume(ctx context.Context, device, backing string, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.volumes[device] != nil {
		return nil
	}
	if err := makeBacking(backing, size); err != nil {
		return fmt.Errorf("attach %s to %s: %w", device, m.config.Name, err)
	}
	out, err := exec.CommandContext(ctx, "losetup", "--find", "--show", backing).CombinedOutput()
	if err != nil {
		return fmt.Errorf("attach %s to %s: losetup: %w: %s", device, m.config.Name, err, out)
	}
	m.volumes[device] = &volume{loop: strings.TrimSpace(string(out))}
	if m.alive() {
		return m.connect(device)
	}
	return nil
}

func makeBacking(backing string, size int64) error {
	if err := os.MkdirAll(filepath.Dir(backing), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(backing, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && info.Size() < size {
		err = file.Truncate(size)
	}
	return errors.Join(err, file.Close())
}

// DetachVolume takes a block device away, as from a powered-off machine.
func (m *Machine) DetachVolume(device string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.detach(device)
}

func (m *Machine) detach(device string) error {
	v := m.volumes[device]
	if v == nil {
		return nil
	}
	delete(m.volumes, device)
	if out, err := exec.Command("losetup", "--detach", v.loop).CombinedOutput(); err != nil { //nolint:noctx // local and short
		return fmt.Errorf("detach %s from %s: losetup: %w: %s", device, m.config.Name, err, out)
	}
	return nil
}

// connectVolumes makes the device nodes after a boot: the machine's /dev is empty then.
func (m *Machine) connectVolumes() error {
	for device := range m.volumes {
		if err := m.connect(device); err != nil {
			return err
		}
	}
	return nil
}

// connect makes a volume's node and the consistent path of Oracle's udev rules, and has the
// machine's udev look at it.
func (m *Machine) connect(device string) error {
	loop := m.volumes[device].loop
	var stat unix.Stat_t
	if err := unix.Stat(loop, &stat); err != nil {
		return fmt.Errorf("attach %s to %s: %w", device, m.config.Name, err)
	}
	root := "/proc/" + strconv.Itoa(m.run.init) + "/root"
	node := path.Join(root, loop)
	if err := unix.Mknod(node, syscall.S_IFBLK|0o660, int(stat.Rdev)); err != nil && !errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("attach %s to %s: %w", device, m.config.Name, err)
	}
	if err := os.MkdirAll(path.Join(root, path.Dir(device)), 0o755); err != nil {
		return fmt.Errorf("attach %s to %s: %w", device, m.config.Name, err)
	}
	if err := os.Symlink(loop, path.Join(root, device)); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("attach %s to %s: %w", device, m.config.Name, err)
	}
	// The kernel's own event was for all udevs, and most have no such node.
	return os.WriteFile(path.Join("/sys/class/block", path.Base(loop), "uevent"), []byte("change"), 0o200)
}
