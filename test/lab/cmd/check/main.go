// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command check tells whether this machine can run the lab, and lists missing requirements.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/enter"
)

func main() {
	if err := enter.Preflight(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("this machine can run the lab")
}
