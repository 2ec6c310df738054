// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// streamTimeout ends connections without queries.
const streamTimeout = 10 * time.Second

// resolve answers queries until the socket is closed.
func (s *Service) resolve(conn net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		if answer, err := reply(buffer[:n], s.names); err == nil {
			_, _ = conn.WriteTo(answer, from)
		}
	}
}

// resolveStream answers queries over TCP, each with its length ahead of it (RFC
// 1035, section 4.2.2), until the client has no more.
func (s *Service) resolveStream(conn net.Conn) {
	for {
		if err := conn.SetDeadline(time.Now().Add(streamTimeout)); err != nil {
			return
		}
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		answer, err := reply(query, s.names)
		if err != nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// reply answers a query for addresses; anything else than names does not exist.
func reply(query []byte, names map[string]netip.Addr) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	address, known := names[strings.ToLower(strings.TrimSuffix(question.Name.String(), "."))]
	response := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{question},
	}
	switch {
	case !known:
		response.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA:
		response.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.AResource{A: address.As4()},
		}}
	}
	return response.Pack()
}
