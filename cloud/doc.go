// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cloud holds what every cloud service this provider speaks to has in common: one error
// type, a few kinds of error that callers branch on, and the removal of secrets from messages. It
// imports the standard library only.
package cloud
