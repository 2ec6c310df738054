// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
)

// never is for alerts that do not fire.
const never = -1

// alertWorld has series as metrics make them, scraped once a minute, "stale" where a scrape finds
// one no longer; and the first minute in which an alert fires, and the first in which it does no
// more.
type alertWorld struct {
	alert, world string
	series       []string
	from, until  int
}

// managersAlerts are those of rules.yaml.
var managersAlerts = []alertWorld{
	{"CapomAccountNotReady", "an account that is repaired after five minutes", []string{`capom_account_ready{account="alice"} 1x4 0x4 1x60`}, never, never},
	{"CapomAccountNotReady", "an account that is not repaired for half an hour", []string{`capom_account_ready{account="alice"} 1x4 0x30 1x10`}, 15, 36},
	{"CapomAccountNotPolled", "three polls that fail", []string{
		`capom_feed_last_poll_timestamp_seconds{account="alice"} 0+60x10 600x2 840+60x60`,
	}, never, never},
	{"CapomAccountNotPolled", "polls that fail for half an hour", []string{
		`capom_feed_last_poll_timestamp_seconds{account="alice"} 0+60x10 600x28 2400+60x30`,
	}, 21, 40},
	{"CapomCircuitOpen", "a host that answers the third try", []string{`capom_oci_circuit_state{account="alice",host="iaas"} 0x4 2x2 0x60`}, never, never},
	{"CapomCircuitOpen", "a host that answers after half an hour", []string{`capom_oci_circuit_state{account="alice",host="iaas"} 0x4 2x30 0x10`}, 15, 36},

	{"CapomTailnetNotReady", "a tailnet that is repaired after five minutes", []string{`capom_tailnet_ready{tailnet="home"} 1x4 0x4 1x60`}, never, never},
	{"CapomTailnetNotReady", "a tailnet that is not repaired for half an hour", []string{`capom_tailnet_ready{tailnet="home"} 1x4 0x30 1x10`}, 15, 36},
	{"CapomCoordinationServerDown", "a server that restarts in two minutes", []string{
		`capom_tailnet_unavailable_since_timestamp_seconds{tailnet="home"} 0x4 300x2 0x60`,
	}, never, never},
	{"CapomCoordinationServerDown", "a server that is away for twenty minutes", []string{
		`capom_tailnet_unavailable_since_timestamp_seconds{tailnet="home"} 0x4 300x20 0x20`,
	}, 9, 26},

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
	{"CapomMachinesSlow", "a machine that takes five minutes", []string{
		`capom_machine_phase_duration_seconds_bucket{account="alice",phase="joined",le="300"} 0x20 1x70`,
		`capom_machine_phase_duration_seconds_bucket{account="alice",phase="joined",le="600"} 0x20 1x70`,
		`capom_machine_phase_duration_seconds_bucket{account="alice",phase="joined",le="+Inf"} 0x20 1x70`,
	}, never, never},
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
	{"CapomTailnetRefuses", "two calls that are refused", []string{
		`capom_tailnet_requests_total{tailnet="home",operation="CreateKey",code="403"} _x5 1x4 2x60`,
	}, never, never},
	{"CapomTailnetRefuses", "calls that are refused every five minutes, from a first one", []string{
		`capom_tailnet_requests_total{tailnet="home",operation="CreateKey",code="403"} _x5 1x4 2x4 3x4 4x4 5x4 6x4 7x4 8x4`,
	}, 20, 49},
	{"CapomThrottled", "a tenth of the calls refused", []string{
		`capom_oci_requests_total{account="alice",code="OK"} 100+90x60`,
		`capom_oci_requests_total{account="alice",code="Throttled"} 10+10x60`,
	}, never, never},
	{"CapomThrottled", "a third of the calls refused, from a first one", []string{
		`capom_oci_requests_total{account="alice",code="OK"} 100+100x60`,
		`capom_oci_requests_total{account="alice",code="Throttled"} _x5 50+50x55`,
	}, 25, 74},

	{"CapomDevicesOffline", "a tailnet of ten machines that loses two", []string{
		`capom_tailnet_devices{tailnet="home",state="online"} 10x9 8x60`,
		`capom_tailnet_devices{tailnet="home",state="offline"} _x10 2x60`,
	}, never, never},
	{"CapomDevicesOffline", "a tailnet of ten machines that loses three, and gets them back", []string{
		`capom_tailnet_devices{tailnet="home",state="online"} 10x9 7x20 10x20`,
		`capom_tailnet_devices{tailnet="home",state="offline"} _x10 3x20 stale _x20`,
	}, 20, 31},
	{"CapomStrayInstances", "a stray that is there for two minutes", []string{`capom_account_strays{account="alice"} 0x5 1x2 0x60`}, never, never},
	{"CapomStrayInstances", "a stray that stays, and a manager that has to look anew", []string{
		`capom_account_strays{account="alice"} 0x5 1x20 stale _x10 1x60`,
	}, 36, 113},
	{"CapomStraysInTailnet", "a key that is there for two minutes", []string{`capom_tailnet_strays{tailnet="home",kind="key"} 0x5 1x2 0x60`}, never, never},
	{"CapomStraysInTailnet", "a key that stays for an hour", []string{`capom_tailnet_strays{tailnet="home",kind="key"} 0x5 1x60 0x20`}, 36, 81},

	{"CapomReconcileErrors", "writes that fail for five minutes", []string{
		`controller_runtime_reconcile_errors_total{controller="ocimeshmachine"} 0x5 14 15 16x120`,
	}, never, never},
	{"CapomReconcileErrors", "one machine that fails whenever the queue tries again", []string{
		`controller_runtime_reconcile_errors_total{controller="ocimeshmachine"} ` +
			`0x5 14 15 16x2 17x4 18x10 19x16 20x16 21x15 22x16 23x16 24x10`,
	}, 66, 140},
}

func TestEveryAlertFiresInOneWorldAndNotInAnother(t *testing.T) {
	g := NewWithT(t)
	var firing, quiet []string
	for _, tt := range slices.Concat(managersAlerts, clustersAlerts) {
		if tt.from == never {
			quiet = append(quiet, tt.alert)
		} else {
			firing = append(firing, tt.alert)
		}
	}
	all := slices.Sorted(maps.Keys(alerts(t)))
	g.Expect(slices.Compact(slices.Sorted(slices.Values(firing)))).To(Equal(all), "alerts with a world in which they fire")
	g.Expect(slices.Compact(slices.Sorted(slices.Values(quiet)))).To(Equal(all), "alerts with a world in which they do not")
}

func TestAlertsFireForWhatLastsAndOnlyForThat(t *testing.T) {
	all := alerts(t)
	for _, tt := range slices.Concat(managersAlerts, clustersAlerts) {
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

// made are counters whose series are there before the first event, with what makes them: a file of
// ours and its statement, or whose else it is.
var made = map[string]struct{ file, statement, elsewhere string }{
	"capom_machine_phase_duration_seconds_bucket": {file: "controllers/machine/metrics.go", statement: "m.phases.WithLabelValues(account, phaseJoined)"},
	"controller_runtime_reconcile_errors_total":   {elsewhere: "controller-runtime makes them with the controller (initMetrics)"},
}

// A series begins with its first event, and neither rate nor increase sees that one. In a world
// whose series begin at 0 an alert fires that in truth stays silent.
func TestAlertsFireThoughASeriesBeginsWithItsFirstEvent(t *testing.T) {
	g := NewWithT(t)
	all, asked := alerts(t), map[string]bool{}
	for _, tt := range managersAlerts {
		if tt.from == never {
			continue
		}
		for _, counter := range countersOf(t, all[tt.alert].Expr) {
			asked[counter.Name] = true
			begins := slices.ContainsFunc(tt.series, func(series string) bool { return beginsAmid(t, series, counter) })
			if _, are := made[counter.Name]; !are {
				g.Expect(begins).To(BeTrue(), "%s, %s: let a series of %s begin with _, as in truth; or make its series beforehand, and say so in made, in this file",
					tt.alert, tt.world, counter)
			}
		}
	}
	for name, by := range made {
		g.Expect(asked).To(HaveKey(name), "no alert asks for the counter in made, in this file")
		if by.elsewhere == "" {
			content, err := os.ReadFile(filepath.Join("../..", by.file))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(content)).To(ContainSubstring("\n\t"+by.statement+"\n"), "%s is to make the series of %s", by.file, name)
		}
	}
}

// countersOf are those that an expression has the rate or the increase of.
func countersOf(t *testing.T, expression string) (found []*parser.VectorSelector) {
	t.Helper()
	parsed, err := expressions.ParseExpr(expression)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if call, ok := node.(*parser.Call); ok && slices.Contains([]string{"rate", "irate", "increase"}, call.Func.Name) {
			if matrix, ok := call.Args[0].(*parser.MatrixSelector); ok {
				found = append(found, matrix.VectorSelector.(*parser.VectorSelector))
			}
		}
		return nil
	})
	return found
}

// beginsAmid tells whether the series is the counter's, and is not there in the first minute.
func beginsAmid(t *testing.T, series string, counter *parser.VectorSelector) bool {
	t.Helper()
	of, values, err := expressions.ParseSeriesDesc(series)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), series)
	for _, matcher := range counter.LabelMatchers {
		if !matcher.Matches(of.Get(matcher.Name)) {
			return false
		}
	}
	return values[0].Omitted
}

// alerts are those of all rules in config/observability.
func alerts(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	g := NewWithT(t)
	all := map[string]rulefmt.Rule{}
	g.Expect(filepath.WalkDir("../../config/observability", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(content, []byte("\nkind: PrometheusRule\n")) {
			return err
		}
		// What is below spec is a rule file.
		_, file, _ := bytes.Cut(content, []byte("\nspec:\n"))
		groups, faults := rulefmt.Parse(file, false, model.UTF8Validation, expressions, promslog.NewNopLogger())
		g.Expect(faults).To(BeEmpty(), path)
		for _, group := range groups.Groups {
			for _, rule := range group.Rules {
				g.Expect(all).NotTo(HaveKey(rule.Alert), "another alert of this name")
				all[rule.Alert] = rule
			}
		}
		return nil
	})).To(Succeed())
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
