// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package network_test

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/enter"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
)

const (
	// port is the port of all servers in these tests.
	port = "7000"
	// unanswered is how long to wait for an answer that should not come.
	unanswered = 400 * time.Millisecond
	// soon is the time limit of any expected event.
	soon = time.Minute

	alphaRouter = "198.51.100.10"
	alphaPublic = "198.18.0.1"
	bravoPublic = "198.18.0.2"
)

func TestMain(m *testing.M) {
	enter.Enter()
	os.Exit(m.Run())
}

// lab has two VCNs with the same addresses: of each, one machine with a
// public address and one without, in another subnet.
type lab struct {
	*WithT
	t            *testing.T
	network      *network.Network
	alpha, bravo *network.VCN
	a1, a2       *network.Machine
	b1, b2       *network.Machine
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{WithT: NewWithT(t), t: t}
	ctx := t.Context()
	var err error
	l.network, err = network.Open()
	l.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { l.Expect(l.network.Close(context.Background())).To(Succeed()) })
	l.alpha, err = l.network.AddVCN(ctx, "alpha")
	l.Expect(err).NotTo(HaveOccurred())
	l.bravo, err = l.network.AddVCN(ctx, "bravo")
	l.Expect(err).NotTo(HaveOccurred())
	l.a1 = l.machine(l.alpha, "a1", "10.0.0.11", "10.0.0.0/24", alphaPublic)
	l.a2 = l.machine(l.alpha, "a2", "10.0.1.12", "10.0.1.0/24", "")
	l.b1 = l.machine(l.bravo, "b1", "10.0.0.11", "10.0.0.0/24", bravoPublic)
	l.b2 = l.machine(l.bravo, "b2", "10.0.2.12", "10.0.2.0/24", "")
	return l
}

func (l *lab) machine(a *network.VCN, id, private, subnet, public string) *network.Machine {
	l.t.Helper()
	config := network.MachineConfig{ID: id, PrivateIP: netip.MustParseAddr(private), Subnet: netip.MustParsePrefix(subnet)}
	if public != "" {
		config.PublicIP = netip.MustParseAddr(public)
	}
	m, err := a.AddMachine(l.t.Context(), config)
	l.Expect(err).NotTo(HaveOccurred())
	l.serve(m.Namespace(), "", id)
	return m
}

// serve answers every byte on a connection with a line: the server's name and the
// client's address as the server sees it.
func (l *lab) serve(namespace, host, name string) {
	l.t.Helper()
	listener, err := network.Listen(l.t.Context(), namespace, "tcp4", net.JoinHostPort(host, port))
	l.Expect(err).NotTo(HaveOccurred())
	l.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				client := conn.RemoteAddr().(*net.TCPAddr).IP.String()
				line := make([]byte, 1)
				for {
					if _, err := conn.Read(line); err != nil {
						return
					}
					if _, err := conn.Write([]byte(name + " sees " + client + "\n")); err != nil {
						return
					}
				}
			}()
		}
	}()
}

// dial connects to a server of serve; a failure is nil.
func (l *lab) dial(namespace, host string) net.Conn {
	ctx, cancel := context.WithTimeout(l.t.Context(), unanswered)
	defer cancel()
	conn, err := network.Dial(ctx, namespace, "tcp4", net.JoinHostPort(host, port))
	if err != nil {
		return nil
	}
	l.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// exchange asks on a connection; a failure is empty. Of several answers, as after a question cut
// off before, it takes the first.
func exchange(conn net.Conn, patience time.Duration) string {
	if conn.SetDeadline(time.Now().Add(patience)) != nil {
		return ""
	}
	if _, err := conn.Write([]byte("?")); err != nil {
		return ""
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(answer, "\n")
}

// ask connects and asks; a failure is empty.
func (l *lab) ask(namespace, host string) string {
	conn := l.dial(namespace, host)
	if conn == nil {
		return ""
	}
	return exchange(conn, unanswered)
}

// answer is ask for an expected answer: a connection's lost first packet is sent again after a
// second only.
func (l *lab) answer(namespace, host string) AsyncAssertion {
	l.t.Helper()
	return l.Eventually(func() string { return l.ask(namespace, host) }, soon)
}

// connect is dial for an expected success.
func (l *lab) connect(namespace, host string) (conn net.Conn) {
	l.t.Helper()
	l.Eventually(func() net.Conn { conn = l.dial(namespace, host); return conn }, soon).ShouldNot(BeNil())
	return conn
}

// run runs a program in a namespace and returns its output.
func (l *lab) run(namespace, program string, args ...string) string {
	l.t.Helper()
	// The test's context is over when it cleans up.
	ctx := context.WithoutCancel(l.t.Context())
	out, err := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + network.Path(namespace), program}, args...)...).CombinedOutput()
	l.Expect(err).NotTo(HaveOccurred(), "%s %v: %s", program, args, out)
	return string(out)
}

// udp opens a packet socket; port 0 is any.
func (l *lab) udp(namespace, address string) net.PacketConn {
	l.t.Helper()
	conn, err := network.ListenPacket(l.t.Context(), namespace, "udp4", address)
	l.Expect(err).NotTo(HaveOccurred())
	l.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// send sends a packet until one arrives at the other socket and returns the
// sender's address as seen there.
func (l *lab) send(from net.PacketConn, to string, at net.PacketConn) string {
	l.t.Helper()
	address, err := net.ResolveUDPAddr("udp4", to)
	l.Expect(err).NotTo(HaveOccurred())
	buffer := make([]byte, 100)
	var seen net.Addr
	l.Eventually(func() error {
		if _, err := from.WriteTo([]byte("!"), address); err != nil {
			return err
		}
		if err := at.SetReadDeadline(time.Now().Add(unanswered)); err != nil {
			return err
		}
		_, seen, err = at.ReadFrom(buffer)
		return err
	}, soon).Should(Succeed())
	return seen.String()
}
