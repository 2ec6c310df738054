// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// Versions are what a node is to run. The agent on the node reads them from its Node.
type Versions struct {
	// Kubernetes is a Machine's version, such as v1.36.2. Of a build of one's own it is the release
	// that counts.
	Kubernetes string
	// Tailscale is left as it is where it is empty.
	Tailscale string
}

// PatchesFolder is where the node's agent has kubeadm look for patches.
const PatchesFolder = "/etc/kubernetes/patches"

// String is what the Node asks for. The agent takes no other form.
func (v Versions) String() string {
	if v.Tailscale == "" {
		return v.release() + " -"
	}
	return v.release() + " " + v.Tailscale
}

func (v Versions) release() string { return cloud.KubernetesRelease(v.Kubernetes) }

// IsKubelet tells whether a kubelet's version is the one that is to run.
func (v Versions) IsKubelet(version string) bool {
	return cloud.KubernetesRelease(version) == v.release()
}

// fetching has the agent fetch the packages, and change nothing of Kubernetes.
const fetching = " fetch"

// ToFetch is what the Node asks for first if its pods are to leave before the change.
func (v Versions) ToFetch() string { return v.String() + fetching }

// Words name the versions in a message.
func (v Versions) Words() string {
	if v.Tailscale == "" {
		return "Kubernetes " + v.release()
	}
	return fmt.Sprintf("Kubernetes %s and tailscale %s", v.release(), v.Tailscale)
}

// Report is what a node's agent says of the versions that it was asked for.
type Report struct {
	// Versions are as the Node asked for them, to be had or to be fetched, or what runs if it asks
	// for none.
	Versions string
	// State is Done, Failed or anything else while the agent is at it.
	State string
	// Message says how far it is, or why it is not.
	Message string
}

// States of a Report.
const (
	Done   = "done"
	Failed = "failed"
)

// ReportOf reads what the agent wrote: what it was asked for, a state and a message.
func ReportOf(text string) Report {
	words := strings.SplitN(strings.TrimSpace(text), " ", 3)
	for len(words) < 3 {
		words = append(words, "")
	}
	out, rest := Report{Versions: words[0] + " " + words[1]}, words[2]
	if fetched, is := strings.CutPrefix(" "+rest, fetching+" "); is {
		out.Versions, rest = out.Versions+fetching, fetched
	}
	out.State, out.Message, _ = strings.Cut(rest, " ")
	return out
}

// Has tells whether a node with the report has the versions.
func (r Report) Has(wanted Versions) bool {
	return r.State == Done && !strings.HasSuffix(r.Versions, fetching) &&
		(r.Versions == wanted.String() || wanted.Tailscale == "" && strings.HasPrefix(r.Versions, wanted.release()+" "))
}

var semver = regexp.MustCompile(`^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})$`)

// KubernetesCanBecome tells whether a node's Kubernetes goes from one version to the other in
// place: to a later patch or to the next minor version, which is what kubeadm upgrades. A version
// with a suffix has no package.
func KubernetesCanBecome(from, to string) bool {
	before, known := numbers(strings.TrimPrefix(from, "v"))
	after, can := numbers(strings.TrimPrefix(to, "v"))
	return known && can && strings.HasPrefix(to, "v") && later(before, after) && before[0] == after[0] && after[1]-before[1] <= 1
}

// otherTailscale is a later version of the same source of packages. A mirror's archives have sums
// for each, and an image has what it has.
func otherTailscale(from, to infrav1.OCIMeshMachineSpec) bool {
	otherwise := to.Tailscale
	otherwise.Version = from.Tailscale.Version
	if !reflect.DeepEqual(otherwise, from.Tailscale) || !from.Tailscale.Source.HasVersions() {
		return false
	}
	after, can := numbers(to.Tailscale.Version)
	if from.Tailscale.Version == "" {
		// The provider's tested version of when the node was made: the node knows which.
		return can
	}
	before, known := numbers(from.Tailscale.Version)
	return known && can && later(before, after)
}

func numbers(version string) (out [3]int, ok bool) {
	parts := semver.FindStringSubmatch(version)
	if parts == nil {
		return out, false
	}
	for i := range out {
		// Three digits are a number.
		out[i], _ = strconv.Atoi(parts[i+1])
	}
	return out, true
}

func later(before, after [3]int) bool {
	for i := range before {
		if before[i] != after[i] {
			return after[i] > before[i]
		}
	}
	return false
}
