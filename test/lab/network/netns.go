// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

const folder = "/run/netns"

// Path is the path of the network namespace of the name.
func Path(namespace string) string { return filepath.Join(folder, namespace) }

// Do runs a function in a network namespace. The function must not start goroutines relying on it;
// sockets it opens stay in the namespace.
func Do(namespace string, run func() error) error {
	done := make(chan error, 1)
	go func() { done <- doLocked(namespace, run) }()
	return <-done
}

// doLocked goes to the namespace and back with a thread of its own. A thread unable to go back
// stays locked and ends with the goroutine.
func doLocked(namespace string, run func() error) error {
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("find this network namespace: %w", err)
	}
	defer func() { _ = own.Close() }()
	target, err := os.Open(Path(namespace))
	if err == nil {
		err = unix.Setns(int(target.Fd()), unix.CLONE_NEWNET)
		_ = target.Close()
	}
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter the network namespace %s: %w", namespace, err)
	}
	defer func() {
		if unix.Setns(int(own.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return run()
}

// Listen listens in a network namespace.
func Listen(ctx context.Context, namespace, network, address string) (listener net.Listener, err error) {
	err = Do(namespace, func() error {
		listener, err = (&net.ListenConfig{}).Listen(ctx, network, address)
		return err
	})
	return listener, err
}

// Dial connects from a network namespace; the host in address is an IP address.
func Dial(ctx context.Context, namespace, network, address string) (conn net.Conn, err error) {
	err = Do(namespace, func() error {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// ListenPacket listens for packets in a network namespace.
func ListenPacket(ctx context.Context, namespace, network, address string) (conn net.PacketConn, err error) {
	err = Do(namespace, func() error {
		conn, err = (&net.ListenConfig{}).ListenPacket(ctx, network, address)
		return err
	})
	return conn, err
}

// run runs a program with text on its standard input, in the namespace, if one is given.
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

// forget drops a router's connections of a private address, so the next machine with this address
// is not translated to the last one's public address.
func forget(ctx context.Context, namespace string, address netip.Addr) error {
	for _, side := range []string{"--orig-src", "--reply-src"} {
		// It fails when there is nothing to delete, with a message unchanged since 2006.
		err := run(ctx, namespace, "", "conntrack", "-D", side, address.String())
		if err != nil && !strings.Contains(err.Error(), "0 flow entries have been deleted") {
			return err
		}
	}
	return nil
}

// nft loads nftables rules in a namespace, all or none.
func nft(ctx context.Context, namespace, rules string) error {
	return run(ctx, namespace, rules, "nft", "-f", "-")
}

func sysctl(ctx context.Context, namespace string, settings ...string) error {
	return run(ctx, namespace, "", "sysctl", append([]string{"-q", "-w"}, settings...)...)
}
