// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package userdata

import (
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// anyKey stands for the key of the tailnet before there is one. It is as long as Headscale's, which
// are longer than Tailscale's, and has no more order than a real one: no real one takes more room.
const anyKey = "hskey-auth-PLACEHOLDER0-Zk4vQ9sXb2LtW7cJmR1yFhD8oUaG5nTiE3pKxB6wSjM0qVzCfN-uYeHgPdA_lIr" // not a key

// Fit decides which agents a node gets, and tells which its user data has no room for. No key is
// needed yet: none is made for data that is unfit for a launch. Errors are Problems.
func Fit(input cloudinit.Input) (cloudinit.Input, []cloudinit.Absence, error) {
	if err := cloudinit.CheckBootstrap(input.Bootstrap, input.BootstrapFormat); err != nil {
		return input, nil, problemOf(input, err)
	}
	input.Tailnet.AuthKey = anyKey
	fitted, absent, err := cloudinit.Fit(input)
	if err != nil {
		return input, nil, problemOf(input, err)
	}
	fitted.Tailnet.AuthKey = ""
	return fitted, absent, nil
}

// lost is what a node without an agent cannot do.
var lost = map[cloudinit.Agent]string{
	cloudinit.UpdateAgent: "another version of Kubernetes or tailscale, or a larger volume, takes another machine",
	cloudinit.MembersAgent: "when the API server that it uses dies or hangs, it waits until the tailnet moves the control plane's address, " +
		"and without the tailnet's coordination server until that API server is back",
}

// AgentsComplete is the condition of an object whose nodes go without agents.
func AgentsComplete(absent []cloudinit.Absence) metav1.Condition {
	var out strings.Builder
	out.WriteString("The user data has no room for agents of the node.")
	for _, a := range absent {
		fmt.Fprintf(&out, " Without %s (%d bytes too many) %s.", a.Agent, a.Lacking, lost[a.Agent])
	}
	out.WriteString(" Take those bytes off the SSH keys, or the files and commands of the bootstrap config, and replace the machine; " +
		"a cluster made with encryptionAlgorithm ECDSA-P256 in the KubeadmControlPlane's clusterConfiguration has room")
	return report.NotOK(infrav1.AgentsCompleteCondition, infrav1.NoRoomForAgentReason, out.String())
}

// Absent is what is kept in the object's annotation.
func Absent(object metav1.Object) (absent []cloudinit.Absence) {
	for word := range strings.FieldsSeq(object.GetAnnotations()[infrav1.AbsentAgentsAnnotation]) {
		name, lacking, _ := strings.Cut(word, "=")
		agent := cloudinit.Agent(name)
		if bytes, err := strconv.Atoi(lacking); err == nil && lost[agent] != "" {
			absent = append(absent, cloudinit.Absence{Agent: agent, Lacking: bytes})
		}
	}
	return absent
}

// KeepAbsent keeps in the object's annotation what its node goes without, and tells whether that is
// news.
func KeepAbsent(object metav1.Object, absent []cloudinit.Absence) (news bool) {
	words := make([]string, 0, len(absent))
	for _, a := range absent {
		words = append(words, fmt.Sprintf("%s=%d", a.Agent, a.Lacking))
	}
	annotations, text := object.GetAnnotations(), strings.Join(words, " ")
	if annotations[infrav1.AbsentAgentsAnnotation] == text {
		return false
	}
	if text == "" {
		delete(annotations, infrav1.AbsentAgentsAnnotation)
		return true
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[infrav1.AbsentAgentsAnnotation] = text
	object.SetAnnotations(annotations)
	return true
}
