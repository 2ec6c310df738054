// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab && outages

package cluster_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// inRow is how many answers in a row, two a second, tell that an outage is over.
const inRow = 6

// What onlookers see.
const (
	seesAPIServer = "the API server by the VIP, as a node"
	seesPods      = "pods of other nodes, as a pod"
	seesService   = "a Service, as a pod"
)

// outages are what onlookers on machines see of a disturbance.
type outages struct {
	suite   *suite
	begun   time.Time
	lookers []looker
}

type looker struct {
	*world.Onlooker
	sees, on string
}

// sighting is what a looker has seen of one URL.
type sighting struct {
	world.Sight
	looker
	url string
}

func (s sighting) String() string {
	return fmt.Sprintf("%s, from %s to %s: %s", s.sees, s.on, s.url, s.Last)
}

func (s *suite) newOutages() *outages {
	o := &outages{suite: s, begun: time.Now()}
	s.t.Cleanup(o.stop)
	return o
}

// look has machines ask the API server at the VIP, and their pods those of all others at.
func (s *suite) look(from, at []watch.Machine) *outages {
	s.t.Helper()
	o := s.newOutages()
	pods, vip := s.probesByMachine(), s.vip().String()
	for _, m := range from {
		o.add(m, seesAPIServer, "https://"+vip+":6443/readyz")
		var others []string
		for _, other := range at {
			if other.Name != m.Name {
				others = append(others, "http://"+pods[other.Name].Status.PodIP+":8080/")
			}
		}
		if len(others) > 0 {
			o.add(m, seesPods, others...)
		}
	}
	return o
}

// add has one more machine ask URLs.
func (o *outages) add(m watch.Machine, sees string, urls ...string) {
	o.suite.t.Helper()
	number := time.Now().UnixNano()
	seeing, err := o.suite.world.LookOn(o.suite.t.Context(), m.Instance, fmt.Sprint(number), sees != seesAPIServer, urls)
	o.suite.Expect(err).NotTo(HaveOccurred())
	o.lookers = append(o.lookers, looker{seeing, sees, m.Name})
}

// sights are all that is seen at present. Looking takes a while for each, on a busy machine.
func (o *outages) sights(g Gomega) []sighting {
	seen := make([]map[string]world.Sight, len(o.lookers))
	var looking errgroup.Group
	for i, l := range o.lookers {
		looking.Go(func() (err error) {
			seen[i], err = l.Seen(o.suite.t.Context())
			return err
		})
	}
	g.Expect(looking.Wait()).To(Succeed())
	var all []sighting
	for i, l := range o.lookers {
		for url, sight := range seen[i] {
			all = append(all, sighting{sight, l, url})
		}
	}
	return all
}

// end waits until everything has been answered for a while, and says how long the longest outages
// were.
func (o *outages) end(what string) {
	o.suite.t.Helper()
	before := map[string]int{}
	o.suite.Eventually(func(g Gomega) {
		for _, s := range o.sights(g) {
			key := s.sees + s.on + s.url
			if _, known := before[key]; !known {
				before[key] = s.Asked
			}
			g.Expect(s.Asked).To(BeNumerically(">=", before[key]+inRow), "%s", s)
			g.Expect(s.Row).To(BeNumerically(">=", inRow), "%s", s)
		}
	}, soon, interval).Should(Succeed(), what)
	o.tell(what)
	o.stop()
}

// tell says how long the longest outages were.
func (o *outages) tell(what string) {
	o.suite.t.Helper()
	all := o.sights(o.suite)
	for _, sees := range []string{seesAPIServer, seesPods, seesService} {
		of := slices.DeleteFunc(slices.Clone(all), func(s sighting) bool { return s.sees != sees })
		if len(of) == 0 {
			continue
		}
		longest := slices.MaxFunc(of, func(a, b sighting) int { return int(a.Longest - b.Longest) })
		if longest.Failed == 0 {
			fmt.Fprintf(os.Stderr, "%s: %s: never out\n", what, sees)
			continue
		}
		fmt.Fprintf(os.Stderr, "%s: %s\n    %s\n", what, longest.Availability, longest)
	}
}

func (o *outages) stop() {
	for _, l := range o.lookers {
		// A machine that was restarted has none any more.
		_ = l.Stop(context.WithoutCancel(o.suite.t.Context()))
	}
	o.lookers = nil
}

// probesByMachine are the pods that probe.
func (s *suite) probesByMachine() map[string]corev1.Pod {
	s.t.Helper()
	probes, err := s.cluster.Probes(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	pods := map[string]corev1.Pod{}
	for _, m := range s.snapshot().Machines {
		node := s.node(m).Name
		for _, pod := range probes.Pods {
			if pod.Spec.NodeName == node {
				pods[m.Name] = pod
			}
		}
	}
	return pods
}
