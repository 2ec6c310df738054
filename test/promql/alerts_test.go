// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/promqltest"
)

// never is for alerts that do not fire.
const never = -1

// alertWorlds are series as a manager's metrics make them, scraped once a minute, "stale" where a
// scrape finds one no longer; and the first minute in which an alert fires, and the first in which
// it does no more.
var alertWorlds = []struct {
	alert, world string
	series       []string
	from, until  int
}{
	{"CapomDeletionsStuck", "a deletion of two minutes", []string{`capom_machines{account="alice",phase="deleting"} 1x2 stale _x120`}, never, never},
	{"CapomDeletionsStuck", "a replacement every ten minutes", []string{
		`capom_machines{account="alice",phase="deleting"} ` + strings.Repeat("1x2 stale _x6 ", 12),
	}, never, never},
	{"CapomDeletionsStuck", "a deletion of fifty minutes", []string{`capom_machines{account="alice",phase="deleting"} 1x50 stale _x60`}, never, never},
	{"CapomDeletionsStuck", "a deletion that hangs for 70 minutes", []string{`capom_machines{account="alice",phase="deleting"} 1x70 stale _x60`}, 60, 75},
	{"CapomDeletionsStuck", "a deletion that hangs, of which a restart of the manager says nothing for a minute", []string{
		`capom_machines{account="alice",phase="deleting"} 1x30 stale _ 1x60 stale _x30`,
	}, 60, 98},

	{"CapomMachinesWithoutPlace", "a machine over its account's budget, refused once", []string{
		`capom_machines{account="",phase="waiting"} _x5 1x120`,
		`capom_placement_refusals_total{reason="BudgetExceeded"} _x5 1x120`,
		`capom_machines_without_place{reason="BudgetExceeded"} _x5 1x120`,
	}, 35, 130},
	{"CapomMachinesWithoutPlace", "a machine that launches are tried for", []string{
		`capom_machines_without_place{reason="NoCapacity"} ` + strings.Repeat("1x8 stale ", 12),
	}, 30, 123},
	{"CapomMachinesWithoutPlace", "a machine that waits for one thing, then for another", []string{
		`capom_machines_without_place{reason="NoCapacity"} 1x20 stale _x60`,
		`capom_machines_without_place{reason="BudgetExceeded"} _x20 1x60`,
	}, 30, 85},
	{"CapomMachinesWithoutPlace", "a machine with a place after ten minutes", []string{
		`capom_machines_without_place{reason="NoCapacity"} 1x10 stale _x60`,
	}, never, never},
	{"CapomMachinesWithoutPlace", "a machine whose spec is wrong", []string{
		`capom_machines_without_place{reason="FailureDomainUnknown"} 1x120`,
	}, never, never},

	{"CapomMachinesNotReady", "a machine that comes back after ten minutes", []string{
		`capom_machines{account="alice",phase="not-ready"} 1x10 stale _x60`,
	}, never, never},
	{"CapomMachinesNotReady", "a machine that stays away", []string{
		`capom_machines{account="alice",phase="not-ready"} 1x60 stale _x10`,
	}, 15, 61},
	{"CapomMachinesSlow", "a first machine that takes twenty minutes", []string{
		`capom_machine_phase_duration_seconds_bucket{account="alice",phase="joined",le="600"} 0x90`,
		`capom_machine_phase_duration_seconds_bucket{account="alice",phase="joined",le="1200"} 0x20 1x70`,
		`capom_machine_phase_duration_seconds_bucket{account="alice",phase="joined",le="+Inf"} 0x20 1x70`,
	}, 31, 50},

	{"CapomCredentialsRefused", "one call that is refused", []string{
		`capom_oci_requests_total{account="alice",code="Unauthenticated"} _x5 1x60`,
	}, never, never},
	{"CapomCredentialsRefused", "calls that are refused once a minute, from a first one", []string{
		`capom_oci_requests_total{account="alice",code="Unauthenticated"} _x5 1+1x60`,
	}, 16, 74},
	{"CapomTailnetRefuses", "calls that are refused every five minutes, from a first one", []string{
		`capom_tailnet_requests_total{tailnet="home",operation="CreateKey",code="403"} _x5 1x4 2x4 3x4 4x4 5x4 6x4 7x4 8x4`,
	}, 20, 49},
	{"CapomThrottled", "a third of the calls refused, from a first one", []string{
		`capom_oci_requests_total{account="alice",code="OK"} 100+100x60`,
		`capom_oci_requests_total{account="alice",code="Throttled"} _x5 50+50x55`,
	}, 25, 74},

	{"CapomDevicesOffline", "a tailnet of ten machines that loses three, and gets them back", []string{
		`capom_tailnet_devices{tailnet="home",state="online"} 10x9 7x20 10x20`,
		`capom_tailnet_devices{tailnet="home",state="offline"} _x10 3x20 stale _x20`,
	}, 20, 31},
	{"CapomStrayInstances", "a stray that is there for two minutes", []string{`capom_account_strays{account="alice"} 0x5 1x2 0x60`}, never, never},
	{"CapomStrayInstances", "a stray that stays, and a manager that has to look anew", []string{
		`capom_account_strays{account="alice"} 0x5 1x20 stale _x10 1x60`,
	}, 36, 113},
}

func TestAlertsFireForWhatLastsAndOnlyForThat(t *testing.T) {
	all := alerts(t)
	for _, tt := range alertWorlds {
		t.Run(tt.alert+" "+tt.world, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(all).To(HaveKey(tt.alert))
			firing := minutesOf(t, all[tt.alert], tt.series)
			if tt.from == never {
				g.Expect(firing).To(BeEmpty())
				return
			}
			g.Expect(firing).NotTo(BeEmpty())
			g.Expect([]int{firing[0], firing[len(firing)-1] + 1, len(firing)}).To(Equal([]int{tt.from, tt.until, tt.until - tt.from}))
		})
	}
}

// alerts are those of config/observability, as a rule file: what is below spec.
func alerts(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile("../../config/observability/rules.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	_, file, found := strings.Cut(string(content), "\nspec:\n")
	g.Expect(found).To(BeTrue())
	groups, faults := rulefmt.Parse([]byte(file), false, model.UTF8Validation, expressions, promslog.NewNopLogger())
	g.Expect(faults).To(BeEmpty())
	all := map[string]rulefmt.Rule{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			all[rule.Alert] = rule
		}
	}
	return all
}

// minutesOf are the minutes in which an alert fires, with one evaluation a minute: those in which
// its expression has found the same series for as long as "for" says.
func minutesOf(t *testing.T, alert rulefmt.Rule, series []string) (firing []int) {
	t.Helper()
	g := NewWithT(t)
	store := promqltest.LoadedStorage(t, fmt.Sprintf("load 1m\n  %s\n", strings.Join(series, "\n  ")))
	engine := promqltest.NewTestEngine(t, false, 0, 1e6)
	since := map[string]int{}
	for minute := range 150 {
		query, err := engine.NewInstantQuery(t.Context(), store, nil, alert.Expr, time.Unix(0, 0).Add(time.Duration(minute)*time.Minute))
		g.Expect(err).NotTo(HaveOccurred())
		found, err := query.Exec(t.Context()).Vector()
		g.Expect(err).NotTo(HaveOccurred())
		before, fires := since, false
		since = map[string]int{}
		for _, sample := range found {
			began, pending := before[sample.Metric.String()]
			if !pending {
				began = minute
			}
			since[sample.Metric.String()] = began
			fires = fires || time.Duration(minute-began)*time.Minute >= time.Duration(alert.For)
		}
		query.Close()
		if fires {
			firing = append(firing, minute)
		}
	}
	return firing
}
