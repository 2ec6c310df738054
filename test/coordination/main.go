// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command coordination is a coordination server for real tailscaled: Tailscale's control protocol
// over the keys, devices and routes of internal/testing/tailnetsim, whose API it serves as well. A
// DERP relay and STUN have ports of their own, so that either can be away without the other.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"tailscale.com/net/stunserver"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

type flags struct {
	listen, relay, stun     string
	address                 string
	cert, key, apiKeyFile   string
	mode, tags              string
	probe, timeout, absence time.Duration
}

func main() {
	var f flags
	flag.StringVar(&f.listen, "listen", "127.0.0.1:8443", "address of the HTTPS port")
	flag.StringVar(&f.relay, "relay", "127.0.0.1:8444", "address of the DERP relay's HTTPS port")
	flag.StringVar(&f.stun, "stun", "127.0.0.1:3478", "address of the STUN port")
	flag.StringVar(&f.address, "derp-ip", "127.0.0.1", "IPv4 address at which nodes reach all of them")
	flag.StringVar(&f.cert, "cert", "", "file of the certificate, whose subject is the derp-ip")
	flag.StringVar(&f.key, "key", "", "file of the certificate's key")
	flag.StringVar(&f.apiKeyFile, "api-key-file", "", "file with an API key that has full access")
	flag.StringVar(&f.mode, "mode", string(tailnetsim.Headscale), "whose API to speak: Headscale or Tailscale")
	flag.StringVar(&f.tags, "tags", "", "the policy's tags, separated by commas: their devices keep network maps on disk")
	flag.DurationVar(&f.probe, "probe-interval", 5*time.Second, "how often nodes are asked whether they are there")
	flag.DurationVar(&f.timeout, "probe-timeout", 2*time.Second, "how long an answer may take")
	flag.DurationVar(&f.absence, "absence", 10*time.Second, "how long a node that disconnected counts as online")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, f); err != nil {
		log.Fatalf("coordination: %v", err)
	}
}

func serve(ctx context.Context, f flags) error {
	certificate, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	sim, err := simulated(f)
	if err != nil {
		return err
	}
	stun := stunserver.New(ctx)
	if err := stun.Listen(f.stun); err != nil {
		return fmt.Errorf("listen for STUN: %w", err)
	}
	go func() { _ = stun.Serve() }()
	s, err := newServer(sim, options{relay: relay{f.address, f.relay, f.stun}, tags: f.policyTags(), probe: f.probe, timeout: f.timeout, absence: f.absence})
	if err != nil {
		return err
	}
	defer s.close()
	ended := make(chan error, 2)
	for address, handler := range map[string]http.Handler{f.listen: s.handler(), f.relay: s.relayHandler()} {
		server := &http.Server{
			Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second,
			// Both protocols upgrade the connection; HTTP/2 cannot.
			TLSConfig:    &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12},
			TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		}
		defer func() { _ = server.Close() }()
		go func() { ended <- server.ListenAndServeTLS("", "") }()
	}
	log.Printf("listening on https://%s, the relay on https://%s", f.listen, f.relay)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// simulated is the server of the API.
func simulated(f flags) (*tailnetsim.Server, error) {
	apiKey, err := os.ReadFile(f.apiKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the API key: %w", err)
	}
	owners := map[string][]string{}
	for _, tag := range f.policyTags() {
		owners[tag] = []string{"group:admins"}
	}
	return tailnetsim.New(tailnetsim.Options{
		Mode: tailnetsim.Mode(f.mode), APIKeys: []string{strings.TrimSpace(string(apiKey))}, TagOwners: owners,
	})
}

func (f flags) policyTags() []string {
	return strings.FieldsFunc(f.tags, func(r rune) bool { return r == ',' })
}
