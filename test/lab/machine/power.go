// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// powerOff and reboot are systemd's signals for them (systemd(1), SIGRTMIN+4 and +5).
const (
	powerOff = syscall.Signal(34 + 4)
	reboot   = syscall.Signal(34 + 5)
)

// Shutdown ends the machine as its power button would, or by force when this takes too long. Its
// disk stays.
func (m *Machine) Shutdown(ctx context.Context) error {
	r := m.switchOff()
	if r == nil {
		return nil
	}
	if err := syscall.Kill(r.init, powerOff); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("shut %s down: %w", m.config.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return m.Kill()
	}
}

// Kill cuts the machine's power. Its disk stays as it is at this moment.
func (m *Machine) Kill() error {
	r := m.switchOff()
	if r == nil {
		return nil
	}
	// Killing nspawn does not end the machine; killing the machine's init ends everything in it.
	// Until init is gone, the machine goes on writing into its folders.
	if err := m.sigkill(r.init); err != nil {
		return err
	}
	for deadline := time.Now().Add(killTimeout); !ended(r.init); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("kill %s: it did not end within %s", m.config.Name, killTimeout)
		}
	}
	if err := m.sigkill(r.cmd.Process.Pid); err != nil {
		return err
	}
	<-r.done
	return nil
}

func (m *Machine) sigkill(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", m.config.Name, err)
	}
	return nil
}

// ended tells whether a process is gone or a zombie. An init is one only when everything in its
// namespace is gone (the kernel's zap_pid_ns_processes).
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, state, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')'):], []byte(" "))
	return bytes.HasPrefix(state, []byte("Z")) || bytes.HasPrefix(state, []byte("X"))
}

// Hang stops everything that runs in the machine, as a kernel without memory does. Nothing but Kill
// ends that.
func (m *Machine) Hang(ctx context.Context) error {
	// All but init and the shell itself, which ends.
	if _, err := m.Exec(ctx, "sh", "-c", "kill -s STOP -- -1"); err != nil {
		return fmt.Errorf("hang %s: %w", m.config.Name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := syscall.Kill(m.run.init, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("hang %s: %w", m.config.Name, err)
	}
	return nil
}

// switchOff keeps the machine from booting again, and returns the present boot;
// nil when it does not run.
func (m *Machine) switchOff() *running {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.off = true
	if !m.alive() {
		return nil
	}
	return m.run
}

// Reboot restarts the machine cleanly and returns when its init runs again.
func (m *Machine) Reboot(ctx context.Context) error {
	m.mu.Lock()
	r := m.run
	alive := m.alive()
	m.mu.Unlock()
	if !alive {
		return fmt.Errorf("reboot %s: it does not run", m.config.Name)
	}
	if err := syscall.Kill(r.init, reboot); err != nil {
		return fmt.Errorf("reboot %s: %w", m.config.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, rebootTimeout)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		m.mu.Lock()
		again := m.run != r && m.alive()
		m.mu.Unlock()
		if again {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("reboot %s: %w (console: %s)", m.config.Name, ctx.Err(), m.Console())
		case <-ticker.C:
		}
	}
}

// Exec runs a program in the machine and returns its output; its errors are in the error.
func (m *Machine) Exec(ctx context.Context, args ...string) (string, error) {
	m.mu.Lock()
	r, alive := m.run, m.alive()
	m.mu.Unlock()
	if !alive {
		return "", fmt.Errorf("%s: the machine does not run", m.config.Name)
	}
	enter := []string{"--target=" + strconv.Itoa(r.init), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/"}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C"}
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	// Processes left running by the program may hold its output open.
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %s: %w: %s", m.config.Name, strings.Join(args, " "), err, strings.TrimSpace(problems.String()))
	}
	return out.String(), nil
}
