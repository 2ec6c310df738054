// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package instancecache holds the instances of one account as polls show them, reports changes, and
// says when to poll next. It makes no call and reads no clock: controllers/poller polls and tells
// it.
//
// Its rules of evidence: only a list read to its end says anything about absence; a missing
// instance must be looked up itself before it counts as gone; and a list says nothing about calls
// made after it was begun.
package instancecache
