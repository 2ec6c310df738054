// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package enter moves a program into a lab: namespaces of mounts and processes of its own, a /run
// of its own, and the network namespace of the management host. When the program ends, however it
// ends, the kernel ends all its processes and removes its mounts and networks; Clean removes the
// rest.
// Labs run beside each other: what they have in common has a lab's id in its name.
package enter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
)

// inside is set in the environment of a program inside the lab, to the lab's id.
const inside = "CAPOM_LAB_INSIDE"

const (
	// runDir is the lab's own: network namespaces' names are there, and what programs keep there.
	runDir = "/run"
	// pidFile is in it.
	pidFile = runDir + "/capom-lab.pid"
)

// HostPID is this process's id outside. Processes learn ids of their own namespace only, so Enter
// leaves it in a file.
func HostPID() int {
	var pid int
	if content, err := os.ReadFile(pidFile); err == nil {
		_, _ = fmt.Sscan(string(content), &pid)
	}
	return pid
}

// Inside tells whether the program has entered.
func Inside() bool { return ID() != "" }

// ID is the lab's: names of what the kernel keeps for all labs contain it. It is empty outside.
func ID() string { return os.Getenv(inside) }

// Enter runs the rest of the program in a lab. Outside it makes one, runs the program again inside,
// cleans up and exits with the program's status; it returns, inside, only there.
func Enter() {
	if Inside() {
		return
	}
	status, err := Run(os.Args[1:]...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(status)
}

// Run runs this program with other arguments in a lab, and returns its exit status.
func Run(args ...string) (status int, err error) {
	ctx := context.Background()
	if err := Preflight(ctx); err != nil {
		return 1, err
	}
	if err := raiseLimits(); err != nil {
		return 1, err
	}
	l, err := open(ctx)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, l.close(ctx)) }()
	type result struct {
		status int
		err    error
	}
	ended := make(chan result)
	go func() {
		// This thread gets mounts of its own. It stays locked, and ends with the goroutine.
		runtime.LockOSThread()
		status, err := l.run(ctx, args)
		ended <- result{status, err}
	}()
	r := <-ended
	return r.status, r.err
}

// run makes the lab's networks and runs this program among them. It needs a thread of its own,
// which must live as long: the kernel takes the end of a process's starting thread for the end of
// its parent (Pdeathsig, below).
func (l *lab) run(ctx context.Context, args []string) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 1, fmt.Errorf("find this program: %w", err)
	}
	if err := ownRun(); err != nil {
		return 1, err
	}
	if err := network.Create(ctx); err != nil {
		return 1, err
	}
	program := append([]string{"--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--propagation=private",
		"nsenter", "--net=" + network.Path(network.Management), self}, args...)
	cmd := exec.Command("unshare", program...) //nolint:noctx // signals end it, below
	cmd.Env = append(os.Environ(), inside+"="+l.id)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// unshare, and with it everything inside, ends when this process is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
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

// ownRun gives this thread mounts of its own, with an empty /run.
func ownRun() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a namespace of mounts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep the lab's mounts from the host: %w", err)
	}
	if err := unix.Mount("tmpfs", runDir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("make the lab's %s: %w", runDir, err)
	}
	return nil
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
			_ = os.WriteFile(fmt.Sprintf("/proc/%d/root%s", pid, pidFile), []byte(strconv.Itoa(pid)), 0o644)
			return
		}
		<-time.After(50 * time.Millisecond)
	}
}
