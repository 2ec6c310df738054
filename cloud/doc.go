// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cloud holds the common ground of this provider's cloud services: one error type, a few
// kinds of error for callers to branch on, and the removal of secrets from messages.
package cloud
