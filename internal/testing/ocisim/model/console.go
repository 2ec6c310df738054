// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "fmt"

// States of a console history (oci-go-sdk core/console_history.go).
const (
	StateRequested      = "REQUESTED"
	StateGettingHistory = "GETTING-HISTORY"
	StateSucceeded      = "SUCCEEDED"
)

// maxConsole is what a capture holds at most: the most recent megabyte (oci-go-sdk
// core/core_compute_client.go, CaptureConsoleHistory).
const maxConsole = 1 << 20

// ConsoleHistory is a capture of an instance's serial console.
type ConsoleHistory struct {
	Meta
	AvailabilityDomain string `json:"availabilityDomain"`
	InstanceID         string `json:"instanceId"`
	// content is the console's at the time of the call.
	content string
}

// CaptureConsoleHistoryDetails is the body of CaptureConsoleHistory.
type CaptureConsoleHistoryDetails struct {
	InstanceID  string `json:"instanceId" oci:"required"`
	DisplayName string `json:"displayName"`
	Tags
}

// CaptureConsoleHistory asks for the console of an instance. It is captured later.
func (s *State) CaptureConsoleHistory(caller *User, details CaptureConsoleHistoryDetails) (*ConsoleHistory, error) {
	instance, err := getAlive[*Instance](s, caller, details.InstanceID)
	if err != nil {
		return nil, err
	}
	content := s.consoles[instance.ID]
	history := &ConsoleHistory{
		Meta:               s.newMeta("consolehistory", instance.CompartmentID, details.DisplayName, details.Tags),
		AvailabilityDomain: instance.AvailabilityDomain, InstanceID: instance.ID, content: content[max(0, len(content)-maxConsole):],
	}
	history.setState(StateRequested)
	put(s, history)
	s.after(s.world.delays.Volume, func() {
		history.setState(StateGettingHistory)
		s.after(s.world.delays.Volume, func() { history.setState(StateSucceeded) })
	})
	return history, nil
}

// GetConsoleHistory describes a capture.
func (s *State) GetConsoleHistory(caller *User, id string) (*ConsoleHistory, error) {
	return get[*ConsoleHistory](s, caller, id)
}

// ConsoleContent is a part of what was captured, and the number of bytes behind it. That OCI
// refuses an unfinished capture as a conflict is assumed.
func (s *State) ConsoleContent(caller *User, id string, offset, length int) (text string, remaining int, err error) {
	history, err := get[*ConsoleHistory](s, caller, id)
	if err != nil {
		return "", 0, err
	}
	if history.LifecycleState != StateSucceeded {
		return "", 0, ErrConflict("The console history %s is not captured yet", id)
	}
	if offset < 0 || length < 0 {
		return "", 0, ErrInvalid("offset and length must not be negative")
	}
	begin := min(offset, len(history.content))
	end := min(begin+length, len(history.content))
	return history.content[begin:end], len(history.content) - end, nil
}

// DeleteConsoleHistory takes a capture away.
func (s *State) DeleteConsoleHistory(caller *User, id, ifMatch string) error {
	history, err := get[*ConsoleHistory](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkMatch(history, ifMatch); err != nil {
		return err
	}
	s.forget(history)
	return nil
}

// SetConsole says what an instance has on its serial console.
func (s *State) SetConsole(id, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.items[id].(*Instance); !ok {
		return fmt.Errorf("tenancy %s has no instance %s", s.name, id)
	}
	s.consoles[id] = text
	return nil
}
