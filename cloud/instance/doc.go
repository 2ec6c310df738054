// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package instance makes, finds, looks at and ends the OCI instance of a machine, in one account.
// An instance is found by the machine's tag, never by its name.
package instance
