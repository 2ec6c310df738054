// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package ports

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
)

func TestNoTwoCallersGetTheSamePort(t *testing.T) {
	g := NewWithT(t)
	var mutex sync.Mutex
	given := map[int]int{}
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			for range 10 {
				port, err := Reserve(t.Context())
				mutex.Lock()
				g.Expect(err).NotTo(HaveOccurred())
				given[port]++
				mutex.Unlock()
			}
		})
	}
	group.Wait()
	g.Expect(given).To(HaveLen(100))
	for port := range given {
		// The kernel gives higher ones to outgoing connections and to ":0".
		g.Expect(port).To(And(BeNumerically(">=", 20000), BeNumerically("<", 30000)))
	}
}

func TestAPortIsReservedInAllProcesses(t *testing.T) {
	g := NewWithT(t)
	// The test's own program plays the other process.
	const wanted = "CAPOM_TEST_PORT"
	if text := os.Getenv(wanted); text != "" {
		port, err := strconv.Atoi(text)
		g.Expect(err).NotTo(HaveOccurred())
		taken, err := reserve(t.Context(), port)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(taken).To(BeFalse())
		return
	}
	port, err := Reserve(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	other.Env = append(os.Environ(), wanted+"="+strconv.Itoa(port))
	out, err := other.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), "%s", out)
}

func TestAPortInUseIsNotReserved(t *testing.T) {
	g := NewWithT(t)
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	_, text, err := net.SplitHostPort(listener.Addr().String())
	g.Expect(err).NotTo(HaveOccurred())
	port, err := strconv.Atoi(text)
	g.Expect(err).NotTo(HaveOccurred())
	taken, err := reserve(t.Context(), port)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(taken).To(BeFalse())
	// What was not reserved can be, once it is free.
	g.Expect(listener.Close()).To(Succeed())
	taken, err = reserve(t.Context(), port)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(taken).To(BeTrue())
}
