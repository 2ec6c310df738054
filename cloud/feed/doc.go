// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package feed keeps what polls have shown of the instances of one account, and says what has
// changed and when to poll next. It makes no call and reads no clock: controllers/poller polls and
// tells it.
//
// Its rules of evidence: only a list that was read to its end says anything about what it does not
// show; an instance that is missing from one is to be asked for itself before anybody calls it
// gone; and a list says nothing about what was done after it was begun.
package feed
