// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command node runs on the nodes of the lab's clusters.
//
//	node agent   takes Cilium's place: pod network and Services
//	node serve   a pod that answers, and asks others on request
//
// Cilium itself is not available in the lab: the only source is the Go module proxy. The agent uses
// the kernel's VXLAN, or the tailnet's routes, with the MTU and addresses of our Cilium values, and
// names its interfaces as Cilium does, since the host's guards go by names.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	run := map[string]func(context.Context) error{"agent": agent, "serve": serve}[command()]
	if run == nil {
		fmt.Fprintln(os.Stderr, "usage: node agent|serve")
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

func command() string {
	if len(os.Args) != 2 {
		return ""
	}
	return os.Args[1]
}
