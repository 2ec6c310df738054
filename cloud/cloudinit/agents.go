// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import "slices"

// Agent is a program on the node that its user data may have no room for. A node works without any.
type Agent string

// UpdateAgent changes versions in place, and has file systems fill volumes that have grown;
// MembersAgent finds API servers.
const (
	UpdateAgent  Agent = "capom-update"
	MembersAgent Agent = "capom-members"
)

// Dispensable are the agents in the order in which they are left out. Without the first a machine
// is replaced where it could have been changed; without the second a node may lose the API server
// for a while, which nothing makes good.
func Dispensable() []Agent { return []Agent{UpdateAgent, MembersAgent} }

// Absence is an agent that the user data has no room for.
type Absence struct {
	Agent Agent
	// Lacking is how many bytes less all else would have to take.
	Lacking int
}

// has tells whether the machine gets the agent.
func (in Input) has(agent Agent) bool {
	if slices.Contains(in.Without, agent) {
		return false
	}
	switch agent {
	case UpdateAgent:
		return in.Agent
	case MembersAgent:
		return in.Endpoint.VIP
	}
	return true
}

// Fit leaves out agents until the user data has room beside the other metadata, and tells which. It
// returns the errors of Render, and *TooLargeError if there is no room without any.
func Fit(in Input) (Input, []Absence, error) {
	var absent []Absence
	for _, agent := range Dispensable() {
		over, err := in.over()
		if err != nil || over <= 0 {
			return in, absent, err
		}
		if in.has(agent) {
			in.Without = append(slices.Clone(in.Without), agent)
			absent = append(absent, Absence{Agent: agent, Lacking: over})
		}
	}
	userData, err := Render(in)
	if err == nil {
		err = CheckSize(userData, in.OtherMetadata)
	}
	return in, absent, err
}

// over is by how many bytes the instance's metadata is too large.
func (in Input) over() (int, error) {
	userData, err := Render(in)
	return Size(userData, in.OtherMetadata) - MaxMetadataBytes, err
}
