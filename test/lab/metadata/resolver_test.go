// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/net/dns/dnsmessage"
)

var hosts = map[string]netip.Addr{"pkgs.k8s.io": netip.MustParseAddr("198.51.100.3")}

func query(g *WithT, name string, kind dnsmessage.Type) []byte {
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 42, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	packed, err := message.Pack()
	g.Expect(err).NotTo(HaveOccurred())
	return packed
}

func unpack(g *WithT, answer []byte) dnsmessage.Message {
	var message dnsmessage.Message
	g.Expect(message.Unpack(answer)).To(Succeed())
	g.Expect(message.ID).To(Equal(uint16(42)))
	g.Expect(message.Response).To(BeTrue())
	return message
}

func TestReply(t *testing.T) {
	for name, c := range map[string]struct {
		host      string
		kind      dnsmessage.Type
		code      dnsmessage.RCode
		addresses [][4]byte
	}{
		"an address":             {"pkgs.k8s.io.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, [][4]byte{{198, 51, 100, 3}}},
		"in other letters":       {"PKGS.k8s.IO.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, [][4]byte{{198, 51, 100, 3}}},
		"known but without IPv6": {"pkgs.k8s.io.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, nil},
		"unknown":                {"example.com.", dnsmessage.TypeA, dnsmessage.RCodeNameError, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)

			answer, err := reply(query(g, c.host, c.kind), hosts)

			g.Expect(err).NotTo(HaveOccurred())
			message := unpack(g, answer)
			g.Expect(message.RCode).To(Equal(c.code))
			g.Expect(message.Questions).To(HaveLen(1))
			var addresses [][4]byte
			for _, record := range message.Answers {
				addresses = append(addresses, record.Body.(*dnsmessage.AResource).A)
			}
			g.Expect(addresses).To(Equal(c.addresses))
		})
	}
}

func TestReplyToNonsense(t *testing.T) {
	g := NewWithT(t)

	_, err := reply([]byte("nonsense"), hosts)

	g.Expect(err).To(HaveOccurred())
}

func TestResolveStreamAnswersQueriesInTurn(t *testing.T) {
	g := NewWithT(t)
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		(&Service{names: hosts}).resolveStream(server)
	}()

	for _, name := range []string{"pkgs.k8s.io.", "example.com."} {
		question := query(g, name, dnsmessage.TypeA)
		_, err := client.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(question))), question...))
		g.Expect(err).NotTo(HaveOccurred())
		var length [2]byte
		_, err = io.ReadFull(client, length[:])
		g.Expect(err).NotTo(HaveOccurred())
		answer := make([]byte, binary.BigEndian.Uint16(length[:]))
		_, err = io.ReadFull(client, answer)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(unpack(g, answer).Questions[0].Name.String()).To(Equal(name))
	}

	g.Expect(client.Close()).To(Succeed())
	g.Eventually(done, time.Minute).Should(BeClosed())
}
