// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command clean removes the remains of labs killed before their own clean-up.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/enter"
)

func main() {
	if err := enter.Clean(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
