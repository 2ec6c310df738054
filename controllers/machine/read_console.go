// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/console"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
)

// readConsole finds out why a node is late. The last words of its scripts go into the condition.
func (r *Reconciler) readConsole(ctx context.Context, s *scope) error {
	s.late = s.lateAt()
	consoleOf(s, r.finder()).Read(ctx)
	return nil
}

// consoleOf is that of the machine's instance.
func consoleOf(s *scope, finder instances.Finder) console.Console {
	return console.Console{
		Pass: &s.Pass, Machine: s.own, Owner: s.owner, Hostname: s.hostname, Late: s.late,
		Running: s.instance != nil && s.instance.State == oci.StateRunning,
		Connect: placedIn(s, finder), Recorder: s.recorder, Now: s.now,
		Key: func(ctx context.Context) (cloudinit.Secret, error) {
			err := s.key.Load(ctx)
			return s.key.Value, err
		},
	}
}

// lateAt is at what the node is late; empty if it is not.
func (s *scope) lateAt() string {
	if found, ok := s.Noted(infrav1.TailnetReadyCondition); ok {
		if found.Reason == infrav1.JoinTimeoutReason {
			return "joining"
		}
		return ""
	}
	if s.observed.Device == nil || s.instance == nil || !s.wasProvisioned() || s.machine.Status.NodeRef.IsDefined() ||
		s.now.Sub(s.instance.CreatedAt) < s.options.JoinTimeout {
		return ""
	}
	return "its Node"
}

// saidBy is the condition's message with what the node said.
func (s *scope) saidBy(message string) string {
	said := s.own.Status.Console.Message
	if s.late == "its Node" {
		missing := fmt.Sprintf("No Node of the machine has appeared within %s of its launch", s.options.JoinTimeout)
		if message != "" {
			missing = message + "; " + missing
		}
		message = missing
	}
	if said == "" {
		return message
	}
	return message + "; last on its console: " + said
}
