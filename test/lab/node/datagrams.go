// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"time"
)

const (
	echoAddress = ":8082"
	// datagramSize is more than any MTU of a pod network, so that it travels in fragments.
	datagramSize = 4000
)

// echo sends datagrams back to where they came from.
func echo(conn net.PacketConn) {
	buffer := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(buffer[:n], from)
	}
}

// datagram sends a large datagram to another's port 8082 and tells how much came back.
func datagram(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	n, err := exchange(r, begun.Add(askTimeout))
	reply(w, begun, n, err)
}

func exchange(r *http.Request, deadline time.Time) (int, error) {
	conn, err := (&net.Dialer{Deadline: deadline}).DialContext(r.Context(), "udp", net.JoinHostPort(r.FormValue("to"), echoAddress[1:]))
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	sent := []byte(rand.Text())
	sent = bytes.Repeat(sent, datagramSize/len(sent)+1)[:datagramSize]
	if err := conn.SetDeadline(deadline); err != nil {
		return 0, err
	}
	if _, err := conn.Write(sent); err != nil {
		return 0, err
	}
	received := make([]byte, 2*datagramSize)
	n, err := conn.Read(received)
	if err == nil && !bytes.Equal(received[:n], sent) {
		err = errors.New("what came back is not what was sent")
	}
	return n, err
}
