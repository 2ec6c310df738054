// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"
)

func TestTheManagerStartsOnlyIfItLooksOftenEnoughToMindAClaim(t *testing.T) {
	for name, world := range map[string]struct {
		flags   []string
		refused string
	}{
		"the defaults":                          {nil, ""},
		"three poll intervals":                  {[]string{"--poll-interval=2m", "--contest-window=6m"}, ""},
		"a shorter poll interval":               {[]string{"--poll-interval=2s", "--contest-window=20s"}, ""},
		"a longer poll interval alone":          {[]string{"--poll-interval=5m"}, "--contest-window=15m0s"},
		"a shorter window alone":                {[]string{"--contest-window=1m"}, "--contest-window=3m0s"},
		"just too short a window":               {[]string{"--poll-interval=2m", "--contest-window=5m59s"}, "--contest-window=6m0s"},
		"a short window, the default interval":  {[]string{"--poll-interval=0", "--contest-window=2m"}, "--contest-window=3m0s"},
		"a long interval, the default's window": {[]string{"--poll-interval=2m", "--contest-window=0"}, "--contest-window=6m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			options := defaultOptions()
			set := pflag.NewFlagSet(name, pflag.ContinueOnError)
			options.addFlags(set)
			g.Expect(set.Parse(world.flags)).To(Succeed())
			// Whoever is not refused finds no management cluster.
			reach(t, "http://127.0.0.1:1")

			_, err := newManager(options)

			if world.refused == "" {
				g.Expect(err).To(MatchError(ContainSubstring("check the management cluster")))
			} else {
				g.Expect(err).To(MatchError(ContainSubstring("give " + world.refused + " or more")))
			}
		})
	}
}
