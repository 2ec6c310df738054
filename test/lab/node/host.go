// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"path/filepath"
	"syscall"
)

// inHost has a program run from the node's root file system; the pod's own is empty.
func inHost(cmd *exec.Cmd) error {
	matches, err := filepath.Glob(host + "/usr/*bin/" + filepath.Base(cmd.Args[0]))
	if err != nil {
		return err
	}
	if len(matches) == 0 {
		return exec.ErrNotFound
	}
	// The path was looked up in the pod, where it does not exist.
	cmd.Path, cmd.Err = matches[0][len(host):], nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: host}
	cmd.Dir = "/"
	return nil
}
