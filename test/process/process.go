// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package process runs programs beside a test or a demo, with a log file each.
package process

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// stopGrace is how long a program may take to end after SIGTERM.
const stopGrace = 10 * time.Second

// Process is a program running beside us. Its output goes to a log file.
type Process struct {
	// Log is the path of the log file.
	Log string

	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid once done is closed
	// expected is set when the process is meant to end.
	expected atomic.Bool
}

// Start runs a program with its output in dir/name.log. environment is
// added to our own.
func Start(dir, name string, environment []string, program string, args ...string) (*Process, error) {
	p := &Process{name: name, Log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	file, err := os.Create(p.Log)
	if err != nil {
		return nil, fmt.Errorf("create the log of %s: %w", name, err)
	}
	//nolint:noctx // it must outlive an interrupted context, until the clusters are cleaned up; stop ends it
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr = file, file
	p.cmd.Env = append(os.Environ(), environment...)
	// A group of its own keeps the terminal's Ctrl-C away: managers must live
	// until the clusters they clean up are gone.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), file.Close())
	}
	go func() {
		p.err = p.cmd.Wait()
		_ = file.Close()
		close(p.done)
	}()
	return p, nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Expected tells whether the process ended because Stop was called.
func (p *Process) Expected() bool { return p.expected.Load() }

// PID is the id of the process and of its group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop ends the process by its id, with force when it does not end by itself.
func (p *Process) Stop() {
	p.expected.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Pause stops the process as it is, with its connections open, until Resume.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume has a process go on that Pause has stopped.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("send %s the signal %q: %w", p.name, signal, err)
	}
	return nil
}

// WaitReady polls http://address/readyz until it answers 200.
func (p *Process) WaitReady(ctx context.Context, address string) error {
	client := &http.Client{Timeout: time.Second}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready: %w (log: %s)", p.name, ctx.Err(), p.Log)
		case <-p.done:
			return p.Ended()
		case <-ticker.C:
		}
	}
}

// Ended describes the unexpected end of a process.
func (p *Process) Ended() error {
	if p.err == nil {
		return fmt.Errorf("%s ended by itself (log: %s)", p.name, p.Log)
	}
	return fmt.Errorf("%s ended: %w (log: %s)", p.name, p.err, p.Log)
}
