// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"bytes"
	"encoding/json"
	"time"
)

// v1ID is a 64-bit number, which protojson writes as a string. A plain number is taken too.
type v1ID string

// UnmarshalJSON reads a string, a number or null.
func (id *v1ID) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] != '"' {
		if !bytes.Equal(raw, []byte("null")) {
			*id = v1ID(raw)
		}
		return nil
	}
	return json.Unmarshal(raw, (*string)(id))
}

// v1Key is a PreAuthKey of proto/headscale/v1/preauthkey.proto. Times and lists are null, or
// absent, if there is nothing to tell.
type v1Key struct {
	ID         v1ID       `json:"id"`
	Secret     Secret     `json:"key"`
	Reusable   bool       `json:"reusable"`
	Used       bool       `json:"used"`
	Expiration *time.Time `json:"expiration"`
	CreatedAt  *time.Time `json:"createdAt"`
	Tags       []string   `json:"aclTags"`
}

// key leaves the secret out: lists have only a part of it. A key without an expiration does not
// expire.
func (k *v1Key) key(now time.Time) Key {
	expires := timeOf(k.Expiration)
	return Key{
		ID: string(k.ID), Tags: k.Tags, Created: timeOf(k.CreatedAt), Expires: expires,
		Invalid: k.Used && !k.Reusable || !expires.IsZero() && !expires.After(now),
	}
}

// v1Node is a Node of proto/headscale/v1/node.proto.
type v1Node struct {
	ID         v1ID       `json:"id"`
	Addresses  []string   `json:"ipAddresses"`
	Hostname   string     `json:"name"`
	GivenName  string     `json:"givenName"`
	LastSeen   *time.Time `json:"lastSeen"`
	Expiry     *time.Time `json:"expiry"`
	CreatedAt  *time.Time `json:"createdAt"`
	PreAuthKey *v1Key     `json:"preAuthKey"`
	Online     bool       `json:"online"`
	Approved   []string   `json:"approvedRoutes"`
	Available  []string   `json:"availableRoutes"`
	Tags       []string   `json:"tags"`
	ForcedTags *[]string  `json:"forcedTags"`
}

// device fails for a node of before 0.28, which has forcedTags where there are tags now. What
// devices of other servers may be and none of these can is left at its zero value: unauthorised,
// shared in, locked.
func (n *v1Node) device(operation string) (Device, error) {
	if n.ForcedTags != nil {
		return Device{}, fail(operation, ReasonTooOld, &TooOldError{})
	}
	out := Device{
		ID: string(n.ID), Hostname: n.Hostname, Name: n.GivenName, Tags: n.Tags, Created: timeOf(n.CreatedAt),
		Online: n.Online, Authorized: true, Expires: timeOf(n.Expiry),
	}
	out.KeyExpiryDisabled = out.Expires.IsZero()
	if n.PreAuthKey != nil {
		out.KeyID = string(n.PreAuthKey.ID)
	}
	if !n.Online {
		out.LastSeen = timeOf(n.LastSeen)
	}
	out.Addresses = addressesOf(n.Addresses)
	out.Routes, _ = routesOf(n.Available, n.Approved)
	return out, nil
}

// timeOf is the zero time for none. Headscale writes the year 1 for that too, as Go's zero time,
// and protojson 1970 for a Timestamp without a value.
func timeOf(t *time.Time) time.Time {
	if t == nil || t.Unix() <= 0 {
		return time.Time{}
	}
	return *t
}
