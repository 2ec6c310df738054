// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command node is what pods of the lab's clusters run, and what nodes are asked with.
//
//	node serve      answers, and asks others on request
//	node flows POD  prints what Hubble saw on this node of a pod's connections, a line of JSON each
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	run := serve
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
	case len(os.Args) == 3 && os.Args[1] == "flows":
		run = func(ctx context.Context) error { return printFlows(ctx, os.Args[2], os.Stdout) }
	default:
		fmt.Fprintln(os.Stderr, "usage: node serve | node flows NAMESPACE/POD")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
