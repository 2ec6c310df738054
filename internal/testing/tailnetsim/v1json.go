// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// The messages of API v1 as protojson writes them: in the order of the .proto files, zero values
// included, 64-bit numbers as strings.
type (
	v1User struct {
		ID            string    `json:"id"`
		Name          string    `json:"name"`
		CreatedAt     protoTime `json:"createdAt"`
		DisplayName   string    `json:"displayName"`
		Email         string    `json:"email"`
		ProviderID    string    `json:"providerId"`
		Provider      string    `json:"provider"`
		ProfilePicURL string    `json:"profilePicUrl"`
	}
	v1Key struct {
		User       *v1User   `json:"user"`
		ID         string    `json:"id"`
		Key        string    `json:"key"`
		Reusable   bool      `json:"reusable"`
		Ephemeral  bool      `json:"ephemeral"`
		Used       bool      `json:"used"`
		Expiration protoTime `json:"expiration"`
		CreatedAt  protoTime `json:"createdAt"`
		ACLTags    []string  `json:"aclTags"`
	}
	v1Node struct {
		ID             string     `json:"id"`
		MachineKey     string     `json:"machineKey"`
		NodeKey        string     `json:"nodeKey"`
		DiscoKey       string     `json:"discoKey"`
		IPAddresses    []string   `json:"ipAddresses"`
		Name           string     `json:"name"`
		User           *v1User    `json:"user"`
		LastSeen       protoTime  `json:"lastSeen"`
		Expiry         *protoTime `json:"expiry"`
		PreAuthKey     *v1Key     `json:"preAuthKey"`
		CreatedAt      protoTime  `json:"createdAt"`
		RegisterMethod string     `json:"registerMethod"`
		// The next three are of 0.26 and 0.27, Tags of 0.28 and later.
		ForcedTags      *[]string `json:"forcedTags,omitempty"`
		InvalidTags     *[]string `json:"invalidTags,omitempty"`
		ValidTags       *[]string `json:"validTags,omitempty"`
		GivenName       string    `json:"givenName"`
		Online          bool      `json:"online"`
		ApprovedRoutes  []string  `json:"approvedRoutes"`
		AvailableRoutes []string  `json:"availableRoutes"`
		SubnetRoutes    []string  `json:"subnetRoutes"`
		Tags            *[]string `json:"tags,omitempty"`
	}
	v1Policy struct {
		Policy    string     `json:"policy"`
		UpdatedAt *protoTime `json:"updatedAt"`
	}
	v1Health struct {
		DatabaseConnectivity bool `json:"databaseConnectivity"`
	}
	v1Nothing struct{}
)

// The bodies of answers.
type (
	v1KeyAnswer struct {
		PreAuthKey v1Key `json:"preAuthKey"`
	}
	v1KeysAnswer struct {
		PreAuthKeys []v1Key `json:"preAuthKeys"`
	}
	v1NodeAnswer struct {
		Node v1Node `json:"node"`
	}
	v1NodesAnswer struct {
		Nodes []v1Node `json:"nodes"`
	}
	v1UsersAnswer struct {
		Users []v1User `json:"users"`
	}
)

// protoTime is a time with as many digits as protojson gives it: none, three, six or nine.
type protoTime time.Time

// MarshalJSON writes the time in UTC.
func (t protoTime) MarshalJSON() ([]byte, error) {
	digits := ""
	switch nanos := time.Time(t).Nanosecond(); {
	case nanos == 0:
	case nanos%1_000_000 == 0:
		digits = ".000"
	case nanos%1_000 == 0:
		digits = ".000000"
	default:
		digits = ".000000000"
	}
	return []byte(time.Time(t).UTC().Format(`"2006-01-02T15:04:05` + digits + `Z"`)), nil
}

// protoUint is a 64-bit number, which protojson takes as a string too.
type protoUint string

// UnmarshalJSON takes 7 and "7".
func (n *protoUint) UnmarshalJSON(text []byte) error {
	var number json.Number
	if err := json.Unmarshal(bytes.Trim(text, `"`), &number); err != nil {
		return err
	}
	*n = protoUint(strings.TrimPrefix(number.String(), "0"))
	return nil
}

// writeProto writes a message. Whether protojson puts a space after a comma depends on the binary;
// the recorded 0.29 does.
func (s *Server) writeProto(w http.ResponseWriter, status int, message any) {
	var compact bytes.Buffer
	encoder := json.NewEncoder(&compact)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(message)
	body := bytes.TrimSpace(compact.Bytes())
	if s.opts.Mode == Headscale029 {
		body = spaced(body)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// spaced puts a space after each comma between values.
func spaced(compact []byte) []byte {
	var out bytes.Buffer
	quoted, escaped := false, false
	for _, c := range compact {
		out.WriteByte(c)
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			out.WriteByte(' ')
		}
	}
	return out.Bytes()
}
