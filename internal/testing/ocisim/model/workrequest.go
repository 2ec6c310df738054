// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "time"

// WorkRequest follows an asynchronous operation.
type WorkRequest struct {
	Meta
	OperationType   string         `json:"operationType"`
	Status          string         `json:"status"`
	PercentComplete float64        `json:"percentComplete"`
	Resources       []WorkResource `json:"resources"`
	TimeAccepted    time.Time      `json:"timeAccepted"`
	TimeStarted     *time.Time     `json:"timeStarted,omitempty"`
	TimeFinished    *time.Time     `json:"timeFinished,omitempty"`

	errors []WorkError
	action string
	nlb    bool
}

// WorkResource is a work request's subject.
type WorkResource struct {
	ActionType string `json:"actionType"`
	EntityType string `json:"entityType"`
	Identifier string `json:"identifier"`
}

// WorkError says why a work request failed, or what went wrong in one that goes on.
type WorkError struct {
	Code      string    `json:"code"`
	Message   string    `json:"message"`
	Timestamp time.Time `json:"timestamp"`
}

// FailWork lets new work requests of load balancers fail, until it is called with nil.
func (s *State) FailWork(failure *Error) { s.failing = failure }

func (s *State) newWorkRequest(operation, compartment, entity, id, action string) *WorkRequest {
	work := &WorkRequest{
		Meta: s.newMeta("coreservicesworkrequest", compartment, "", Tags{}), OperationType: operation, Status: "IN_PROGRESS",
		Resources: []WorkResource{{ActionType: "IN_PROGRESS", EntityType: entity, Identifier: id}}, action: action,
	}
	work.LifecycleState = ""
	work.DisplayName = ""
	work.TimeAccepted = work.TimeCreated
	work.TimeStarted = &work.TimeAccepted
	put(s, work)
	s.after(s.world.delays.Retention+time.Hour, func() { s.forget(work) })
	return work
}

// succeed ends a work request, if there is one.
func (w *WorkRequest) succeed(s *State) {
	if w == nil || w.TimeFinished != nil {
		return
	}
	w.finish(s, "SUCCEEDED")
	w.Resources = []WorkResource{{ActionType: w.action, EntityType: w.Resources[0].EntityType, Identifier: w.Resources[0].Identifier}}
}

func (w *WorkRequest) fail(s *State, reason *Error) {
	if w == nil || w.TimeFinished != nil {
		return
	}
	w.finish(s, "FAILED")
	w.errors = append(w.errors, WorkError{Code: reason.Code, Message: reason.Message, Timestamp: *w.TimeFinished})
}

// report adds an error to a work request that goes on, unless its last one says the same.
func (w *WorkRequest) report(s *State, reason *Error) {
	if last := len(w.errors) - 1; last >= 0 && w.errors[last].Code == reason.Code && w.errors[last].Message == reason.Message {
		return
	}
	w.errors = append(w.errors, WorkError{Code: reason.Code, Message: reason.Message, Timestamp: s.world.clock.Now().UTC()})
}

func (w *WorkRequest) finish(s *State, status string) {
	now := s.world.clock.Now().UTC()
	w.Status, w.PercentComplete, w.TimeFinished = status, 100, &now
	w.revision++
}

// GetWorkRequest describes a work request of the core services, or of the load
// balancer service when nlb is set.
func (s *State) GetWorkRequest(caller *User, id string, nlb bool) (*WorkRequest, error) {
	work, err := get[*WorkRequest](s, caller, id)
	if err != nil || work.nlb != nlb {
		return nil, ErrNotFound()
	}
	return work, nil
}

// ListWorkRequests lists a compartment's work requests, optionally of one resource.
func (s *State) ListWorkRequests(caller *User, query ListQuery, resource string, nlb bool) ([]*WorkRequest, string, error) {
	return list(s, caller, query, func(w *WorkRequest) bool {
		return w.nlb == nlb && (resource == "" || w.Resources[0].Identifier == resource)
	})
}

// ListWorkErrors lists why a work request failed.
func (s *State) ListWorkErrors(caller *User, id string, nlb bool, query ListQuery) ([]WorkError, string, error) {
	work, err := s.GetWorkRequest(caller, id, nlb)
	if err != nil {
		return nil, "", err
	}
	errors := append([]WorkError{}, work.errors...)
	return paginate(s, errors, query, func(e WorkError) string { return e.Code })
}
