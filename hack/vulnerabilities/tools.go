// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tools pins govulncheck and its database: golang.org/x/vulndb holds every published report
// in data/osv. It is a module of its own: its requirements do not change the programs of
// hack/tools.
package tools

import (
	_ "golang.org/x/vuln/cmd/govulncheck"
	// Nothing of vulndb is built: it is required for its data, and this package of it imports
	// nothing, so the imports of the others stay out of go.mod.
	_ "golang.org/x/vulndb/cmd/vulnreport/color"
)
