// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// rebootStatus is how nspawn ends when the machine asked for a reboot (systemd-nspawn(1),
	// --keep-unit).
	rebootStatus = 133
	bootTimeout  = 2 * time.Minute
	stopTimeout  = 30 * time.Second
	// rebootTimeout has room for systemd's own limit of 90 seconds for stopping a service.
	rebootTimeout = 5 * time.Minute
	// killTimeout is for a kernel busy writing the dirty pages of the machine's processes.
	killTimeout = time.Minute
)

// Config describes a machine.
type Config struct {
	// Name is unique in the lab: letters, digits and hyphens.
	Name string
	// Lab is the lab's id, without hyphens: control groups of all labs lie side by side.
	Lab string
	// Namespace is the machine's network namespace, below /run/netns.
	Namespace string
	// InstanceID and Hostname are for cloud-init.
	InstanceID, Hostname string
	UserData             []byte
	// Image is the root file system's folder, read-only.
	Image string
	// ContainerdRoot is copied to /var/lib/containerd; empty for none.
	ContainerdRoot string
	// Binds are files and folders of the host by their path in the machine, read-only.
	Binds map[string]string
	// Dir takes the disk and the console.
	Dir string
	// BeforeReboot is called before each boot but the first: it makes the network namespace as if
	// nothing had run in it.
	BeforeReboot func(context.Context) error
}

// Machine is a machine. Its methods may be called at any time.
type Machine struct {
	config Config

	mu      sync.Mutex
	run     *running
	booted  bool
	volumes map[string]*volume
	// off is set when the machine must not come up again by itself.
	off bool
}

// running is one boot of a machine.
type running struct {
	cmd *exec.Cmd
	// init is the process id of the machine's init, as the host sees it.
	init int
	done chan struct{}
}

// New makes a machine with a fresh disk. It does not boot.
func New(config Config) (*Machine, error) {
	m := &Machine{config: config, volumes: map[string]*volume{}}
	if err := m.makeDisk(); err != nil {
		return nil, errors.Join(fmt.Errorf("make the disk of %s: %w", config.Name, err), m.removeDisk())
	}
	return m, nil
}

// Console is the path of the file with the whole output to the machine's console.
func (m *Machine) Console() string { return filepath.Join(m.config.Dir, "console.log") }

// Running tells whether the machine runs.
func (m *Machine) Running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alive()
}

func (m *Machine) alive() bool {
	if m.run == nil {
		return false
	}
	select {
	case <-m.run.done:
		return false
	default:
		return true
	}
}

// Boot starts the machine and returns when its init runs. A running machine is left alone.
func (m *Machine) Boot(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.alive() {
		return nil
	}
	m.off = false
	return m.boot(ctx)
}

func (m *Machine) boot(ctx context.Context) error {
	if m.booted {
		if err := m.forget(ctx); err != nil {
			return fmt.Errorf("boot %s: %w", m.config.Name, err)
		}
	}
	m.booted = true
	if err := errors.Join(m.makeGroups(), m.makeUdev()); err != nil {
		return fmt.Errorf("boot %s: %w", m.config.Name, err)
	}
	console, err := os.OpenFile(m.Console(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("boot %s: %w", m.config.Name, err)
	}
	defer func() { _ = console.Close() }()
	//nolint:noctx // the machine outlives the call that boots it
	cmd := exec.Command("sh", append([]string{"-c", enterGroups, "sh"}, m.nspawn()...)...)
	cmd.Stdout, cmd.Stderr = console, console
	cmd.Env = append(os.Environ(), m.groupsEnv(), "SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes", "SYSTEMD_LOG_LEVEL=warning")
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("boot %s: %w", m.config.Name, err)
	}
	r := &running{cmd: cmd, done: make(chan struct{})}
	m.run = r
	go m.wait(r)
	if r.init, err = m.findInit(ctx, r); err != nil {
		return fmt.Errorf("boot %s: %w (console: %s)", m.config.Name, err, m.Console())
	}
	return m.connectVolumes()
}

// forget undoes everything undone by a reboot: the machine's network, and its control groups. In
// leftover groups kubelet would look for containers for three seconds each before it starts any.
func (m *Machine) forget(ctx context.Context) error {
	if err := m.removeGroups(); err != nil {
		return err
	}
	if m.config.BeforeReboot == nil {
		return nil
	}
	return m.config.BeforeReboot(ctx)
}

// makeUdev makes the machine's /run/udev, empty but for the socket's name: in a container systemd
// looks for it when it starts, and without it waits in vain for the device of every mount
// (sd-device's device-monitor.c).
func (m *Machine) makeUdev() error {
	return errors.Join(os.RemoveAll(m.path("udev")), os.Mkdir(m.path("udev"), 0o755), os.WriteFile(m.path("udev", "control"), nil, 0o600))
}

// enterGroups moves itself into the machine's control groups and becomes nspawn.
const enterGroups = `for group in $CAPOM_LAB_GROUPS; do echo $$ >"$group/cgroup.procs" || exit 1; done; unset CAPOM_LAB_GROUPS; exec systemd-nspawn "$@"`

// systemCalls are allowed beside nspawn's own list: kubelet's and containerd's keyrings, and what
// Cilium's agent loads its programs with and reads their events by.
const systemCalls = "@keyring bpf perf_event_open"

// nspawn are the arguments found by lab.md's measurements: a node's capabilities and system calls,
// the kernel's interfaces writable, nothing registered with a systemd of the host.
func (m *Machine) nspawn() []string {
	args := []string{
		"--directory=" + m.path("root"), "--machine=" + m.config.Name, "--network-namespace-path=/run/netns/" + m.config.Namespace,
		"--boot", "--register=no", "--keep-unit", "--capability=all", "--system-call-filter=" + systemCalls, "--console=read-only", "--resolv-conf=off",
		"--timezone=off", "--bind=/dev/net/tun", "--bind=/dev/kmsg", "--bind=" + m.path("udev") + ":/run/udev",
	}
	if m.config.ContainerdRoot != "" {
		args = append(args, "--bind="+m.path("containerd")+":/var/lib/containerd")
	}
	for target, source := range m.config.Binds {
		args = append(args, "--bind-ro="+source+":"+target)
	}
	return args
}

// wait reaps nspawn, and boots again when the machine asked for a reboot.
func (m *Machine) wait(r *running) {
	err := r.cmd.Wait()
	var exit *exec.ExitError
	reboot := errors.As(err, &exit) && exit.ExitCode() == rebootStatus
	// Boot may wait for this, and holds the lock.
	close(r.done)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !reboot || m.off {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), bootTimeout)
	defer cancel()
	if err := m.boot(ctx); err != nil {
		m.writeConsole(err.Error())
	}
}

func (m *Machine) writeConsole(text string) {
	if file, err := os.OpenFile(m.Console(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err == nil {
		fmt.Fprintf(file, "lab: %s\n", text)
		_ = file.Close()
	}
}

// findInit waits until nspawn has started the machine's init and it has become systemd.
func (m *Machine) findInit(ctx context.Context, r *running) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if init := childNamed(r.cmd.Process.Pid, "systemd"); init != 0 {
			return init, nil
		}
		select {
		case <-ctx.Done():
			return 0, errors.New("systemd did not start")
		case <-r.done:
			return 0, errors.New("systemd-nspawn ended")
		case <-ticker.C:
		}
	}
}

// childNamed finds a child of a process by its command name; 0 for none.
func childNamed(parent int, name string) int {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	if err != nil {
		return 0
	}
	for _, child := range strings.Fields(string(children)) {
		comm, err := os.ReadFile("/proc/" + child + "/comm")
		if err == nil && strings.TrimSpace(string(comm)) == name {
			var pid int
			if _, err := fmt.Sscan(child, &pid); err == nil {
				return pid
			}
		}
	}
	return 0
}

func (m *Machine) path(elements ...string) string {
	return filepath.Join(append([]string{m.config.Dir}, elements...)...)
}
