// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// Prefix begins the name of every namespace of the lab.
	Prefix = "capomlab-"
	folder = "/run/netns"
)

// Path is where a network namespace of that name is found.
func Path(namespace string) string { return filepath.Join(folder, namespace) }

// Do runs a function in a network namespace. The function must not start
// goroutines that rely on it; sockets it opens stay in the namespace.
func Do(namespace string, run func() error) error {
	done := make(chan error, 1)
	go func() {
		// The thread is never unlocked: it ends with the goroutine and is not used for anything else.
		runtime.LockOSThread()
		file, err := os.Open(Path(namespace))
		if err != nil {
			done <- fmt.Errorf("enter the network namespace %s: %w", namespace, err)
			return
		}
		err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
		_ = file.Close()
		if err != nil {
			done <- fmt.Errorf("enter the network namespace %s: %w", namespace, err)
			return
		}
		done <- run()
	}()
	return <-done
}

// Listen listens in a network namespace.
func Listen(ctx context.Context, namespace, network, address string) (listener net.Listener, err error) {
	err = Do(namespace, func() error {
		listener, err = (&net.ListenConfig{}).Listen(ctx, network, address)
		return err
	})
	return listener, err
}

// ListenPacket listens for packets in a network namespace.
func ListenPacket(ctx context.Context, namespace, network, address string) (conn net.PacketConn, err error) {
	err = Do(namespace, func() error {
		conn, err = (&net.ListenConfig{}).ListenPacket(ctx, network, address)
		return err
	})
	return conn, err
}

// run runs a program with text on its standard input, in a namespace unless that
// is empty.
func run(ctx context.Context, namespace, input, program string, args ...string) error {
	if namespace != "" {
		program, args = "nsenter", append([]string{"--net=" + Path(namespace), program}, args...)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// ip runs lines of iproute2's batch language in a namespace.
func ip(ctx context.Context, namespace string, lines ...string) error {
	return run(ctx, namespace, strings.Join(lines, "\n")+"\n", "ip", "-batch", "-")
}

// nft loads nftables rules in a namespace, all or none.
func nft(ctx context.Context, namespace, rules string) error {
	return run(ctx, namespace, rules, "nft", "-f", "-")
}

func sysctl(ctx context.Context, namespace string, settings ...string) error {
	return run(ctx, namespace, "", "sysctl", append([]string{"-q", "-w"}, settings...)...)
}
