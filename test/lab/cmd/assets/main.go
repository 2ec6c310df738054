// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command assets builds the parts of the lab's machines into the cache.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/mirror"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	_, err := kit.Ensure(ctx, ".", os.Stderr)
	if err == nil {
		_, err = mirror.Ensure(ctx, ".", os.Stderr)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
