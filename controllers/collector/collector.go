// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package collector counts accounts, tailnets, machines and devices for metrics: as the objects in
// the manager's cache are at the time of a scrape, so that a restart makes no gap and an object
// that is gone no stale series.
package collector

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// timeout is how long a scrape waits for a cache that is not filled yet.
const timeout = 2 * time.Second

// Phases of machines, as in metrics.
const (
	phaseWaiting     = "waiting"
	phasePlaced      = "placed"
	phaseLaunched    = "launched"
	phaseRunning     = "running"
	phaseJoined      = "joined"
	phaseProvisioned = "provisioned"
	phaseNotReady    = "not-ready"
	phaseDeleting    = "deleting"
)

// States of devices, as in metrics.
const (
	stateOnline  = "online"
	stateOffline = "offline"
	stateUnknown = "unknown"
)

// Kinds of strays in a tailnet, as in metrics.
const (
	kindDevice = "device"
	kindKey    = "key"
)

var (
	accountReady = prometheus.NewDesc("capom_account_ready",
		"Whether the OCIAccount is Ready.", []string{"account"}, nil)
	tailnetReady = prometheus.NewDesc("capom_tailnet_ready",
		"Whether the Tailnet is Ready.", []string{"tailnet"}, nil)
	tailnetAway = prometheus.NewDesc("capom_tailnet_unavailable_since_timestamp_seconds",
		"When the coordination server of the Tailnet stopped answering; 0 while it answers.", []string{"tailnet"}, nil)
	accountStrays = prometheus.NewDesc("capom_account_strays",
		"Instances that carry this provider's tags and belong to no object, by account.", []string{"account"}, nil)
	tailnetStrays = prometheus.NewDesc("capom_tailnet_strays",
		"Devices and keys that look like this provider's and belong to no object, by tailnet and kind.", []string{"tailnet", "kind"}, nil)
	machines = prometheus.NewDesc("capom_machines",
		"OCIMeshMachines by the account that they are placed in and how far they are.", []string{"account", "phase"}, nil)
	placeless = prometheus.NewDesc("capom_machines_without_place",
		"OCIMeshMachines that no account has a place for, by the reason of their condition Placed.", []string{"reason"}, nil)
	devices = prometheus.NewDesc("capom_tailnet_devices",
		"Devices of OCIMeshMachines by tailnet and whether the coordination server reaches them.", []string{"tailnet", "state"}, nil)
)

// Collector counts at each scrape.
type Collector struct {
	// Reader reads from the manager's cache.
	Reader client.Reader
}

// Register has the collector scraped: capom_account_ready by account, capom_tailnet_ready by
// tailnet, capom_machines by account and phase (waiting, placed, launched, running, joined,
// provisioned; not-ready once provisioned; deleting), capom_machines_without_place by reason,
// capom_tailnet_devices by tailnet and state (online, offline, unknown),
// capom_tailnet_unavailable_since_timestamp_seconds by tailnet, capom_account_strays by account,
// and capom_tailnet_strays by tailnet and kind (device, key).
func Register(registerer prometheus.Registerer, reader client.Reader) error {
	if err := registerer.Register(&Collector{Reader: reader}); err != nil {
		return fmt.Errorf("registering the collector of objects: %w", err)
	}
	return nil
}

// Describe names the metrics.
func (c *Collector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{accountReady, tailnetReady, tailnetAway, accountStrays, tailnetStrays, machines, placeless, devices} {
		descriptions <- description
	}
}

// Collect counts. What cannot be read is left out: the other metrics are of use without it.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for _, collect := range []func(context.Context, chan<- prometheus.Metric) error{c.accounts, c.tailnets, c.machines} {
		if err := collect(ctx, metrics); err != nil {
			ctrl.Log.V(2).Info("Cannot count objects for metrics", "message", err.Error())
		}
	}
}

func (c *Collector) accounts(ctx context.Context, metrics chan<- prometheus.Metric) error {
	accounts := &infrav1.OCIAccountList{}
	if err := c.list(ctx, accounts); err != nil {
		return err
	}
	for i := range accounts.Items {
		account := &accounts.Items[i]
		metrics <- gauge(accountReady, truth(conditions.IsTrue(account, infrav1.ReadyCondition)), account.Name)
		if count := account.Status.Strays.Count; count != nil {
			metrics <- gauge(accountStrays, float64(*count), account.Name)
		}
	}
	return nil
}

func (c *Collector) tailnets(ctx context.Context, metrics chan<- prometheus.Metric) error {
	tailnets := &infrav1.TailnetList{}
	if err := c.list(ctx, tailnets); err != nil {
		return err
	}
	for i := range tailnets.Items {
		tailnet := &tailnets.Items[i]
		metrics <- gauge(tailnetReady, truth(conditions.IsTrue(tailnet, infrav1.ReadyCondition)), tailnet.Name)
		metrics <- gauge(tailnetAway, awaySince(tailnet), tailnet.Name)
		strays := tailnet.Status.Strays
		for kind, count := range map[string]*int32{kindDevice: strays.DeviceCount, kindKey: strays.KeyCount} {
			if count != nil {
				metrics <- gauge(tailnetStrays, float64(*count), tailnet.Name, kind)
			}
		}
	}
	return nil
}

// awaySince is when the coordination server stopped answering; zero if it answers.
func awaySince(tailnet *infrav1.Tailnet) float64 {
	if tailnet.Status.UnavailableSince.IsZero() {
		return 0
	}
	return float64(tailnet.Status.UnavailableSince.Unix())
}

func (c *Collector) machines(ctx context.Context, metrics chan<- prometheus.Metric) error {
	clusters, all := &infrav1.OCIMeshClusterList{}, &infrav1.OCIMeshMachineList{}
	if err := c.list(ctx, clusters); err != nil {
		return err
	}
	if err := c.list(ctx, all); err != nil {
		return err
	}
	tailnetOf := map[client.ObjectKey]string{}
	for i := range clusters.Items {
		cluster := &clusters.Items[i]
		tailnetOf[client.ObjectKey{Namespace: cluster.Namespace, Name: cluster.Labels[clusterv1.ClusterNameLabel]}] = cluster.Spec.TailnetRef.Name
	}
	type pair struct{ of, in string }
	byPhase, byState, byReason := map[pair]int{}, map[pair]int{}, map[string]int{}
	for i := range all.Items {
		machine := &all.Items[i]
		byPhase[pair{machine.Status.Placement.Account, phaseOf(machine)}]++
		if reason := report.WithoutPlace(machine); reason != "" && phaseOf(machine) == phaseWaiting {
			byReason[reason]++
		}
		if machine.Status.Tailnet.DeviceID != "" {
			cluster := client.ObjectKey{Namespace: machine.Namespace, Name: machine.Labels[clusterv1.ClusterNameLabel]}
			byState[pair{tailnetOf[cluster], stateOf(machine)}]++
		}
	}
	for at, count := range byPhase {
		metrics <- gauge(machines, float64(count), at.of, at.in)
	}
	for reason, count := range byReason {
		metrics <- gauge(placeless, float64(count), reason)
	}
	for at, count := range byState {
		metrics <- gauge(devices, float64(count), at.of, at.in)
	}
	return nil
}

// list does not copy what it reads, since nothing is changed.
func (c *Collector) list(ctx context.Context, into client.ObjectList) error {
	return c.Reader.List(ctx, into, client.UnsafeDisableDeepCopy)
}

func phaseOf(machine *infrav1.OCIMeshMachine) string {
	status := &machine.Status
	provisioned := status.Initialization.IsProvisioned()
	switch {
	case !machine.DeletionTimestamp.IsZero():
		return phaseDeleting
	case provisioned && conditions.IsTrue(machine, infrav1.ReadyCondition):
		return phaseProvisioned
	case provisioned:
		return phaseNotReady
	case status.Tailnet.DeviceID != "":
		return phaseJoined
	case conditions.IsTrue(machine, infrav1.InstanceReadyCondition):
		return phaseRunning
	case status.Instance.ID != "":
		return phaseLaunched
	case status.Placement.Account != "":
		return phasePlaced
	}
	return phaseWaiting
}

// stateOf goes by the condition: a device that was not looked at may be either.
func stateOf(machine *infrav1.OCIMeshMachine) string {
	condition := conditions.Get(machine, infrav1.TailnetReadyCondition)
	switch {
	case condition == nil:
		return stateUnknown
	case condition.Status == metav1.ConditionTrue:
		return stateOnline
	case condition.Reason == infrav1.DeviceOfflineReason:
		return stateOffline
	}
	return stateUnknown
}

func gauge(description *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, labels...)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
