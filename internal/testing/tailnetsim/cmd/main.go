// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command cmd serves the simulated control server until it is interrupted. It prints one line of
// JSON with its address and the credentials for this run: an OAuth client's, or an API key where
// the server has no OAuth.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	mode := flag.String("mode", string(tailnetsim.Tailscale), "Tailscale, Headscale (0.30), Headscale029, Headscale028 or Headscale026")
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	tags := flag.String("tags", "tag:k8s-node,tag:k8s-control-plane", "tags that the policy knows and the client may give")
	approve := flag.String("approve", "10.250.0.0/16=tag:k8s-control-plane", "prefix=tag: the routes that the policy approves")
	flag.Parse()

	opts := tailnetsim.Options{Mode: tailnetsim.Mode(*mode), Addr: *addr, TagOwners: map[string][]string{}, AutoApprovers: map[string][]string{}}
	const operator = "tag:capom"
	opts.TagOwners[operator] = []string{"autogroup:admin"}
	for _, tag := range strings.Split(*tags, ",") {
		opts.TagOwners[tag] = []string{operator}
	}
	if prefix, tag, found := strings.Cut(*approve, "="); found {
		opts.AutoApprovers[prefix] = []string{tag}
	}
	server, err := tailnetsim.New(opts)
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer server.Close()
	access := map[string]any{"url": server.URL()}
	if opts.Mode.HasOAuth() {
		access["client"] = server.AddClient([]string{"auth_keys", "devices:core", "devices:routes"}, []string{operator})
	} else {
		access["apiKey"] = server.AddAPIKey()
	}
	if err := json.NewEncoder(os.Stdout).Encode(access); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
