// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package enter moves a program into the lab: namespaces of mounts and processes of its own, and
// the network namespace of the management host. When the program ends, however it ends, the kernel
// ends all its processes and removes its mounts; Clean removes the rest.
package enter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/machine"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
)

// inside is set in the environment of a program inside the lab.
const inside = "CAPOM_LAB_INSIDE"

// HostPID is this process's id outside. Processes learn ids of their own
// namespace only, so Enter leaves it in a file.
func HostPID() int {
	var pid int
	if content, err := os.ReadFile(pidFile); err == nil {
		_, _ = fmt.Sscan(string(content), &pid)
	}
	return pid
}

// Inside tells whether the program has entered.
func Inside() bool { return os.Getenv(inside) != "" }

// lockFile keeps two labs apart: they would use the same names.
const (
	lockFile = "/run/lock/capom-lab.lock"
	pidFile  = "/run/lock/capom-lab.pid"
)

// Enter runs the rest of the program in the lab. Outside it prepares the lab,
// runs the program again inside, cleans up and exits with the program's status;
// it returns, inside, only there.
func Enter() {
	if Inside() {
		return
	}
	status, err := outside()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(status)
}

func outside() (status int, err error) {
	ctx := context.Background()
	if err := Preflight(ctx); err != nil {
		return 1, err
	}
	unlock, err := lock()
	if err != nil {
		return 1, err
	}
	defer unlock()
	if err := Clean(ctx); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, Clean(ctx)) }()
	if err := network.Create(ctx); err != nil {
		return 1, err
	}
	return again()
}

// again runs this program in the lab and returns its exit status.
func again() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 1, fmt.Errorf("find this program: %w", err)
	}
	// The kernel takes the end of a process's starting thread for the end of its parent (Pdeathsig,
	// below).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	args := []string{"--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--propagation=private",
		"nsenter", "--net=" + network.Path(network.Management), self}
	//nolint:noctx // signals end it, below
	cmd := exec.Command("unshare", append(args, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// unshare, and with it everything inside, ends when this process is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("enter the lab: %w", err)
	}
	go writePID(cmd.Process.Pid)
	go func() {
		for s := range signals {
			forward(cmd.Process.Pid, s)
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(1, exit.ExitCode()), nil
	}
	return 0, err
}

// forward sends a signal to the program inside: unshare itself ignores it.
func forward(unshare int, s os.Signal) {
	if pid := childOf(unshare); pid != 0 {
		_ = syscall.Kill(pid, s.(syscall.Signal))
	}
}

// childOf is the one child of unshare; 0 before it is there.
func childOf(unshare int) int {
	var pid int
	if children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", unshare, unshare)); err == nil {
		_, _ = fmt.Sscan(string(children), &pid)
	}
	return pid
}

// writePID tells those inside the id of the program outside, as soon as it is known.
func writePID(unshare int) {
	for range 100 {
		if pid := childOf(unshare); pid != 0 {
			_ = os.WriteFile(pidFile, []byte(strconv.Itoa(pid)), 0o644)
			return
		}
		<-time.After(50 * time.Millisecond)
	}
}

func lock() (func(), error) {
	if err := os.MkdirAll(filepath.Dir(lockFile), 0o755); err != nil {
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	file, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("another lab runs on this machine: wait for it, or end it"), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

// Clean removes the remains of an ended lab: network namespaces, control groups and loop devices.
// It must not be called while the lab runs.
func Clean(ctx context.Context) error {
	return errors.Join(network.Clean(ctx), machine.CleanGroups(), cleanLoops(ctx))
}

// VolumesDir is in the path of every file behind a block volume: Clean recognises the lab's by it.
const VolumesDir = "/capom-lab-volumes/"

// cleanLoops detaches loop devices over volumes of the lab.
func cleanLoops(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "losetup", "--list", "--noheadings", "--output=NAME,BACK-FILE").Output()
	if err != nil {
		return fmt.Errorf("list loop devices: %w", err)
	}
	var errs []error
	for _, device := range devicesOf(string(out)) {
		if out, err := exec.CommandContext(ctx, "losetup", "--detach", device).CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("detach %s: %w: %s", device, err, out))
		}
	}
	return errors.Join(errs...)
}

// devicesOf picks the lab's devices out of losetup's list of devices and files.
func devicesOf(list string) []string {
	var devices []string
	for line := range strings.Lines(list) {
		device, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.Contains(file, VolumesDir) {
			devices = append(devices, device)
		}
	}
	return devices
}

// CleanUnlocked cleans up unless a lab runs.
func CleanUnlocked(ctx context.Context) error {
	unlock, err := lock()
	if err != nil {
		return err
	}
	defer unlock()
	return Clean(ctx)
}
