// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"sync"
	"time"
)

// Fault is a failure of the next calls of an operation.
type Fault struct {
	// Tenancy is the name of the tenancy, any when empty.
	Tenancy string
	// Operation is OCI's name, as LaunchInstance; any when empty.
	Operation string
	// Times is how many calls are hit; 0 means one, a negative number all.
	Times int
	// Skip lets so many matching calls pass first.
	Skip int

	// Status, Code and Message are the answer, unless the call hangs, is reset
	// or is merely delayed. Status 0 with none of these means no error.
	Status  int
	Code    string
	Message string
	// RetryAfter is sent as the retry-after header when it is not zero.
	RetryAfter time.Duration

	// AfterCommit lets the call do its work first: only its answer is lost.
	AfterCommit bool
	// Delay holds the call back, on the wall clock.
	Delay time.Duration
	// Hang never answers: the call ends when the client gives up.
	Hang bool
	// Reset breaks the connection instead of answering.
	Reset bool
	// WorkRequestFails, for LaunchInstance and changes of load balancers: the call is accepted, but
	// its work request fails with Code and Message; the instance ends TERMINATED, a load balancer
	// being created FAILED.
	WorkRequestFails bool
}

// Err is the answer the fault gives, nil when it gives none.
func (f Fault) Err() *Error {
	if f.Status == 0 {
		return nil
	}
	return &Error{Status: f.Status, Code: f.Code, Message: f.Message, RetryAfter: f.RetryAfter}
}

// Faults is the list of pending faults.
type Faults struct {
	mu      sync.Mutex
	pending []*Fault
}

// Add puts a fault at the end of the list.
func (f *Faults) Add(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fault.Times == 0 {
		fault.Times = 1
	}
	f.pending = append(f.pending, &fault)
}

// Clear drops all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = nil
}

// Take uses up the first fault for this call.
func (f *Faults) Take(tenancy, operation string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.pending {
		if (fault.Tenancy != "" && fault.Tenancy != tenancy) || (fault.Operation != "" && fault.Operation != operation) {
			continue
		}
		if fault.Skip > 0 {
			fault.Skip--
			continue
		}
		if fault.Times > 0 {
			fault.Times--
		}
		if fault.Times == 0 {
			f.pending = slices.Delete(f.pending, i, i+1)
		}
		return *fault, true
	}
	return Fault{}, false
}
