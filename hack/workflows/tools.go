// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package workflows pins the linter of the GitHub workflows. It is a module of its own because it
// is built with an older version of go.yaml.in/yaml/v4 than golangci-lint, and the release
// candidates differ.
package workflows

import (
	_ "github.com/rhysd/actionlint/cmd/actionlint"
)
