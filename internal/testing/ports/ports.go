// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ports gives loopback ports to programs that can only be told a number.
//
// A port found by listening on ":0" is free again the moment that it is let go, and the kernel
// hands it to the next socket, an outgoing connection included. Ports of this package lie below
// the range that the kernel chooses from (ip_local_port_range, from 32768), and below NodePorts.
// Each is reserved in the whole network namespace until the process ends.
package ports

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	first = 20000
	count = 10000

	loopback = "127.0.0.1"
)

// reservations keeps the listeners alive that stand for reserved ports.
var reservations struct {
	sync.Mutex
	held []net.Listener
}

// Reserve gives a port that nobody listens on, and that no other caller gets, in this process nor
// in another.
func Reserve(ctx context.Context) (int, error) {
	offset := rand.IntN(count) //nolint:gosec // spreads processes, no secret
	for i := range count {
		port := first + (offset+i)%count
		taken, err := reserve(ctx, port)
		if err != nil {
			return 0, err
		}
		if taken {
			return port, nil
		}
	}
	return 0, errors.New("no loopback port is free: end the programs that listen between 20000 and 29999")
}

// reserve holds an abstract socket with the port's number: it is atomic, has the port's own scope,
// a network namespace, and goes with the process.
func reserve(ctx context.Context, port int) (bool, error) {
	var listen net.ListenConfig
	reservation, err := listen.Listen(ctx, "unix", "@capom-port-"+strconv.Itoa(port))
	if ctx.Err() != nil {
		return false, fmt.Errorf("reserve a port: %w", ctx.Err())
	}
	if err != nil {
		return false, nil //nolint:nilerr // somebody else has it
	}
	// Programs that know nothing of reservations listen too.
	listener, err := listen.Listen(ctx, "tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return false, reservation.Close()
	}
	if err := listener.Close(); err != nil {
		return false, errors.Join(err, reservation.Close())
	}
	reservations.Lock()
	defer reservations.Unlock()
	reservations.held = append(reservations.held, reservation)
	return true, nil
}

// Address reserves a port of the loopback, and gives it as host:port.
func Address(ctx context.Context) (string, error) {
	port, err := Reserve(ctx)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(loopback, strconv.Itoa(port)), nil
}

// ForServer makes the API server and etcd of envtest listen on reserved ports.
func ForServer(ctx context.Context, server *envtest.Environment) error {
	var addresses [3]string
	for i := range addresses {
		var err error
		if addresses[i], err = Address(ctx); err != nil {
			return err
		}
	}
	host, port, err := net.SplitHostPort(addresses[0])
	if err != nil {
		return fmt.Errorf("split %s: %w", addresses[0], err)
	}
	server.ControlPlane.GetAPIServer().ListenAddr = envtest.ListenAddr{Address: host, Port: port}
	if server.ControlPlane.Etcd == nil {
		server.ControlPlane.Etcd = &envtest.Etcd{}
	}
	server.ControlPlane.Etcd.URL = &url.URL{Scheme: "http", Host: addresses[1]}
	server.ControlPlane.Etcd.Configure().Set("listen-peer-urls", "http://"+addresses[2])
	return nil
}
