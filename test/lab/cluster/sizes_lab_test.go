// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package cluster_test

import (
	"errors"
	"fmt"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	// ipAndICMP are the bytes of a ping's headers.
	ipAndICMP = 20 + 8
	// vxlan is what a tunnel takes of each packet for its own headers.
	vxlan = 50
	// datagram is what a probe sends in fragments (test/lab/node/datagrams.go).
	datagram = 4000
)

// expectSizes sends the largest packets that fit between pods of two nodes, in both directions.
func (s *suite) expectSizes(r reached) {
	s.t.Helper()
	largest := int(s.snapshot().Infra.Spec.PodNetwork.MTU)
	if !r.routed {
		largest -= vxlan
	}
	for _, way := range []struct {
		from watch.Machine
		to   string
	}{{r.other, r.target.Status.PodIP}, {r.home, r.far.Status.PodIP}} {
		ping := func(size int) string {
			return s.exec(way.from, fmt.Sprintf("nsenter --net=/proc/$(pgrep -o -x node)/ns/net ping -M do -c 1 -W 2 -s %d %s 2>&1 || true", size-ipAndICMP, way.to))
		}
		s.Eventually(func() string { return ping(largest) }, soon, interval).Should(ContainSubstring(" 0% packet loss"), "%d bytes from %s", largest, way.from.Name)
		s.Expect(ping(largest+1)).To(MatchRegexp(`(?i)message too long, mtu[:=] ?%d\b`, largest), "a byte more from %s", way.from.Name)
	}
	for _, way := range [][2]corev1.Pod{{r.far, *r.target}, {*r.target, r.far}} {
		s.Eventually(func() (any, error) {
			a, err := r.probes.Ask(s.t.Context(), way[0], "datagram", "to", way[1].Status.PodIP)
			if err == nil && a.Error != "" {
				err = errors.New(a.Error)
			}
			return a.Value, err
		}, soon, interval).Should(BeEquivalentTo(datagram), "fragments from %s", way[0].Name)
	}
}
