// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"os"
	"path/filepath"
	"slices"
)

// NginxImage stands in for the nginx by which the fleet's chart reads metrics on nodes. It is
// Debian's.
const NginxImage = "localhost/capom-lab/nginx:1"

// nginxPackages has the program alone; its configuration is the chart's.
var nginxPackages = []string{"nginx"}

// nginxTools are programs of the stock root file system that the chart's containers run.
var nginxTools = []string{"usr/bin/dash", "usr/bin/chown", "usr/bin/rm"}

func nginxImage(ctx context.Context, stock string) containerImage {
	executed := append([]string{"usr/sbin/nginx"}, nginxTools...)
	fill := func(dir string) error {
		if err := fillRoot(ctx, dir, stock, nginxPackages, nginxTools, executed); err != nil {
			return err
		}
		if err := os.Symlink("dash", filepath.Join(dir, "usr/bin/sh")); err != nil {
			return err
		}
		// Fails here rather than on each node.
		return run(ctx, "chroot", dir, "/usr/sbin/nginx", "-v")
	}
	return containerImage{name: NginxImage, fill: fill, inputs: slices.Concat([]string{stock, release}, nginxPackages, nginxTools)}
}
