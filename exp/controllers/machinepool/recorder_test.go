// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
)

// recorder keeps events.
type recorder struct {
	mu  sync.Mutex
	all []string
}

// Eventf keeps the event.
func (r *recorder) Eventf(_, _ runtime.Object, eventType, reason, _, note string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, eventType+" "+reason+" "+fmt.Sprintf(note, args...))
}

// events are what was announced.
func (b *bench) events() []string {
	b.recorder.mu.Lock()
	defer b.recorder.mu.Unlock()
	return slices.Clone(b.recorder.all)
}
