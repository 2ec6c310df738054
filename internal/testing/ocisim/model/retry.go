// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"crypto/sha256"
	"net/http"
	"time"
)

// retryLifetime is how long a retry token is remembered (oci-go-sdk,
// core/launch_instance_request_response.go: "Retry tokens expire after 24 hours").
const retryLifetime = 24 * time.Hour

type retry struct {
	payload [sha256.Size]byte
	made    Created
	at      time.Time
}

// Created is a create operation's record for its retries.
type Created struct {
	ID          string
	WorkRequest string
	// Bare is set when the answer has no body.
	Bare bool
}

// Retried looks a retry token up. It returns the first call's resource, or an error when the token
// was used with another payload (OCI refuses this, see oracle/karpenter-provider-oci issue 97) or
// when the resource is gone (409 InvalidatedRetryToken on the API errors page).
func (s *State) Retried(operation, token string, payload []byte) (Created, bool, error) {
	known, ok := s.retries[operation+"\n"+token]
	if !ok || token == "" || s.world.clock.Now().Sub(known.at) > retryLifetime {
		return Created{}, false, nil
	}
	if known.payload != sha256.Sum256(payload) {
		return Created{}, false, s.mismatched()
	}
	if item, ok := s.items[known.made.ID]; !ok || !item.meta().Alive() {
		return Created{}, false, &Error{Status: http.StatusConflict, Code: "InvalidatedRetryToken",
			Message: "The retry token was used in an earlier request and its resource has since been deleted."}
	}
	return known.made, true, nil
}

// Remember keeps a create operation's resource for its retry token.
func (s *State) Remember(operation, token string, payload []byte, made Created) {
	if token != "" {
		s.retries[operation+"\n"+token] = retry{payload: sha256.Sum256(payload), made: made, at: s.world.clock.Now()}
	}
}

// Item returns a resource by OCID for an answer to a retried create.
func (s *State) Item(caller *User, id string) (any, error) {
	item, ok := s.items[id]
	if !ok || !caller.may(item.meta().CompartmentID) {
		return nil, ErrNotFound()
	}
	return item, nil
}
