// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
)

// Recorder keeps events.
type Recorder struct {
	mu  sync.Mutex
	all []string
}

// Eventf keeps the event.
func (r *Recorder) Eventf(_, _ runtime.Object, eventType, reason, _, note string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, eventType+" "+reason+" "+fmt.Sprintf(note, args...))
}

// Events are what was announced, each as "type reason note".
func (r *Recorder) Events() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}
