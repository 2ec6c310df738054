// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// spread is where the machines were at one moment.
type spread struct {
	when                   string
	controlPlanes, workers map[string]int
}

func (d *demo) recordSpread(when string) {
	d.spread = append(d.spread, spread{when, d.last.AccountsOf(watch.ControlPlane), d.last.AccountsOf(watch.Worker)})
}

func (d *demo) printTables() {
	d.screen.Freeze()
	table := tabwriter.NewWriter(d.screen.Out(), 0, 8, 2, ' ', 0)
	d.phaseTable(table)
	d.spreadTable(table)
	d.callTable(table)
	_ = table.Flush()
}

func (d *demo) phaseTable(table *tabwriter.Writer) {
	fmt.Fprintf(table, "\nPHASE\tTIME\tOCI CALLS\tLAUNCHED\tTERMINATED\n")
	for _, p := range d.phases {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\n", p.name, watch.Seconds(p.duration), sum(p.calls), p.launched, p.terminated)
	}
	launched, terminated := d.instances()
	fmt.Fprintf(table, "all\t%s\t%d\t%d\t%d\n", watch.Seconds(time.Since(d.started)), sum(d.callCounts()), launched, terminated)
}

func (d *demo) spreadTable(table *tabwriter.Writer) {
	fmt.Fprintf(table, "\nCONTROL PLANES + WORKERS IN\t")
	for _, a := range d.accounts {
		fmt.Fprintf(table, "%s\t", a.Name)
	}
	fmt.Fprintln(table)
	for _, s := range d.spread {
		fmt.Fprintf(table, "%s\t", s.when)
		for _, a := range d.accounts {
			fmt.Fprintf(table, "%d + %d\t", s.controlPlanes[a.Name], s.workers[a.Name])
		}
		fmt.Fprintln(table)
	}
}

// purposes are the operations made for each machine; all others go by accounts and by time.
var purposes = []struct {
	name       string
	operations []string
}{
	{"%d machines, until provisioned", []string{"LaunchInstance", "GetInstance", "ListVnicAttachments", "GetVnic"}},
	{"%d machines deleted", []string{
		"TerminateInstance", "DetachInstancePoolInstance", "ListBootVolumeAttachments", "ListBootVolumes", "ListVolumeAttachments",
	}},
}

func (d *demo) callTable(table *tabwriter.Writer) {
	counts := d.callCounts()
	launched, terminated := d.instances()
	_, refused := d.callsTo("LaunchInstance")
	detached, _ := d.callsTo("DetachInstancePoolInstance")
	machines := []int{launched + d.pooled, terminated + detached}
	others := sum(counts) - refused

	fmt.Fprintf(table, "\nOCI CALLS FOR\tCALLS\tPER MACHINE\n")
	for i, purpose := range purposes {
		calls := 0
		for _, operation := range purpose.operations {
			calls += counts[operation]
		}
		if i == 0 {
			calls -= refused
		}
		others -= calls
		fmt.Fprintf(table, purpose.name+"\t%d\t%s\n", machines[i], calls, ratio(calls, machines[i]))
	}
	// Alone a machine takes three calls: the launch, its attachment and its VNIC. The target of 2.5
	// is for 100 at once.
	fmt.Fprintf(table, "  of the former for all that came up together\t%d\t\n", counts["ListVnicAttachments"])
	fmt.Fprintf(table, "launches refused\t%d\t\n", refused)
	fmt.Fprintf(table, "polls of %d accounts, by time\t%d\t\n", len(d.accounts), counts["ListInstances"])
	fmt.Fprintf(table, "accounts, networks, images and pools\t%d\t\n", others-counts["ListInstances"])

	fmt.Fprintf(table, "\nOCI OPERATION\tCALLS\n")
	for _, operation := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	}) {
		fmt.Fprintf(table, "%s\t%d\n", operation, counts[operation])
	}
	fmt.Fprintf(table, "all\t%d\n", sum(counts))
}

// callsTo counts the successful calls to an operation, and those refused by OCI.
func (d *demo) callsTo(operation string) (done, refused int) {
	for _, call := range d.oci.Calls() {
		switch {
		case call.Operation != operation:
		case call.Status < 300:
			done++
		default:
			refused++
		}
	}
	return done, refused
}

func sum(counts map[string]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

func ratio(calls, machines int) string {
	if machines == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(calls)/float64(machines))
}

// explain prints hints for finding out why a step failed.
func (d *demo) explain(ctx context.Context) {
	fmt.Fprintf(d.screen.Out(), "\nLogs, one for each process: %s\n", d.dir)
	if ctx.Err() != nil || d.clouds == nil {
		return
	}
	for _, m := range d.last.Machines {
		if m.Ready || m.Instance == "" {
			continue
		}
		lines, err := d.clouds.Booter.Console(m.Instance)
		if err != nil || len(lines) == 0 {
			continue
		}
		fmt.Fprintf(d.screen.Out(), "Console of %s, not Ready:\n  %s\n", m.Name, strings.Join(lines[max(0, len(lines)-5):], "\n  "))
	}
}

// hold keeps everything up until the user ends it.
func (d *demo) hold(ctx context.Context) error {
	fmt.Fprintf(d.screen.Out(), `
The cluster is up, and stays up until you press Ctrl-C. In another terminal:

  export KUBECONFIG=%[1]s CLUSTERCTL_DISABLE_VERSIONCHECK=true
  kubectl get ociaccounts,tailnets,cluster-api -A
  %[2]s describe cluster %[3]s
  %[2]s get kubeconfig %[3]s > %[4]s/demo.kubeconfig
  kubectl --kubeconfig %[4]s/demo.kubeconfig get nodes

hack/binaries.sh kubectl prints the path of a kubectl. Logs are in %[4]s.
OCI is simulated at %[5]s, the tailnet at %[6]s.
`, d.mgmt.Kubeconfig, d.binaries.Clusterctl, clusterName, d.dir, d.oci.URL(), d.clouds.Tailnet.URL())
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.mgmt.Failed():
		return err
	}
}

// short is the tail of an OCID, the distinctive part.
func short(ocid string) string {
	if len(ocid) <= 12 {
		return ocid
	}
	return "…" + ocid[len(ocid)-12:]
}
