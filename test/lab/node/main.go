// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command node is what pods of the lab's clusters run, and what machines are watched and asked
// with.
//
//	node serve               answers, and asks others on request
//	node watch FILE URL...   asks URLs twice a second, and keeps in a file how they answered
//	node flows POD           prints what Hubble saw on this node of a pod's connections, a line of
//	                         JSON each
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 1 && args[0] == "serve":
		err = serve(ctx)
	case len(args) > 2 && args[0] == "watch":
		err = watch(ctx, args[1], args[2:])
	case len(args) == 2 && args[0] == "flows":
		err = printFlows(ctx, args[1], os.Stdout)
	default:
		fmt.Fprintln(os.Stderr, "usage: node serve | watch FILE URL... | flows NAMESPACE/POD")
		os.Exit(2)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
