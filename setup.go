// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/account"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/cluster"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/index"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/machine"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/machinetemplate"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/remediation"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/machinepool"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolmachine"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/webhooks"
)

// setupControllers adds every controller and webhook to the manager.
func setupControllers(
	ctx context.Context, mgr ctrl.Manager, clients *access.Clients, pollers *poller.Pollers, scheduler *scheduling.Scheduler,
	machines *machine.Metrics, held *claims.Claims, o managerOptions,
) error {
	if err := index.AddTo(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	perKind := controller.Options{MaxConcurrentReconciles: o.concurrency}
	devices := deviceStatuses(mgr.GetClient(), mgr.GetAPIReader(), o)
	for _, s := range []struct {
		kind  string
		setup func() error
	}{
		{"OCIAccount", func() error {
			return (&account.Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Clients: clients, Pollers: pollers}).SetupWithManager(ctx, mgr, account.Options{
				Intervals: o.intervals(), Concurrency: o.concurrency, WatchFilterValue: o.watchFilter, Namespace: o.namespace,
			})
		}},
		{"Tailnet", func() error {
			kind := &tailnet.Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Clients: clients, OtherDevices: devices.Others}
			return kind.SetupWithManager(ctx, mgr, tailnet.Options{
				Intervals: o.seldom(), Concurrency: o.concurrency, WatchFilterValue: o.watchFilter, Namespace: o.namespace,
			})
		}},
		{"OCIMeshCluster", func() error {
			return (&cluster.Reconciler{
				Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Clients: clients, Claims: held, OtherDevices: devices.Others,
			}).SetupWithManager(ctx, mgr, cluster.Options{
				Intervals: o.intervals(), Concurrency: o.concurrency, WatchFilterValue: o.watchFilter,
			})
		}},
		{"OCIMeshMachine", func() error {
			return (&machine.Reconciler{
				Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Access: clients, Pollers: pollers, WatchFilterValue: o.watchFilter,
				Recorder: mgr.GetEventRecorder("ocimeshmachine-controller"), Metrics: machines, KeyNamespace: o.ownNamespace,
				Devices: devices, Claims: held, Scheduler: scheduler, InPlaceUpdates: o.gates.Enabled(inPlaceGate),
				Options: machine.Options{Intervals: o.intervals(), JoinTimeout: o.joinTimeout, SettleTime: o.settleTime},
			}).SetupWithManager(ctx, mgr, perKind)
		}},
		{"OCIMeshMachineTemplate", func() error {
			return (&machinetemplate.Reconciler{
				Client: mgr.GetClient(), Access: clients, WatchFilterValue: o.watchFilter, Options: machinetemplate.Options{Intervals: o.seldom()},
			}).SetupWithManager(ctx, mgr, perKind)
		}},
		{"OCIMeshRemediation", func() error {
			return (&remediation.Reconciler{
				Client: mgr.GetClient(), Access: clients, Pollers: pollers, Claims: held, WatchFilterValue: o.watchFilter,
				Recorder: mgr.GetEventRecorder("ocimeshremediation-controller"), Options: remediation.Options{Intervals: o.intervals()},
			}).SetupWithManager(ctx, mgr, perKind)
		}},
	} {
		if err := s.setup(); err != nil {
			return fmt.Errorf("set up %s: %w", s.kind, err)
		}
	}
	return setupWebhooks(mgr, o)
}

// deviceStatuses know which devices objects of all namespaces have recorded, by the cache unless
// that holds one namespace only: users give objects the identity of one in another.
func deviceStatuses(cached, uncached client.Reader, o managerOptions) tailnetnode.Statuses {
	statuses := tailnetnode.Statuses{Client: cached}
	if o.namespace != "" {
		statuses.Client = uncached
	}
	if o.gates.Enabled(machinePoolGate) {
		statuses.Others = poolmachine.DeviceKinds()
	}
	return statuses
}

func setupWebhooks(mgr ctrl.Manager, o managerOptions) error {
	if err := (webhooks.OCIMeshMachine{InPlaceUpdates: o.gates.Enabled(inPlaceGate)}).SetupWithManager(mgr); err != nil {
		return fmt.Errorf("set up OCIMeshMachine's webhook: %w", err)
	}
	if err := (webhooks.OCIMeshMachineTemplate{}).SetupWithManager(mgr); err != nil {
		return fmt.Errorf("set up OCIMeshMachineTemplate's webhook: %w", err)
	}
	return nil
}

// intervals are those of all controllers.
func (o managerOptions) intervals() phases.Intervals {
	return phases.Intervals{Poll: o.pollInterval, Retry: o.progressInterval, Progress: o.progressInterval}
}

// seldom are those of kinds with an interval at rest of their own.
func (o managerOptions) seldom() phases.Intervals {
	return phases.Intervals{Retry: o.progressInterval, Progress: o.progressInterval}
}

// setupPools adds the controllers of machine pools, if their gate is open.
func setupPools(
	ctx context.Context, mgr ctrl.Manager, clients *access.Clients, pollers *poller.Pollers, scheduler *scheduling.Scheduler,
	held *claims.Claims, o managerOptions,
) error {
	if !o.gates.Enabled(machinePoolGate) {
		return nil
	}
	perKind, devices := controller.Options{MaxConcurrentReconciles: o.concurrency}, deviceStatuses(mgr.GetClient(), mgr.GetAPIReader(), o)
	err := (&machinepool.Reconciler{
		Client: mgr.GetClient(), Access: clients, Pollers: pollers, Scheduler: scheduler, WatchFilterValue: o.watchFilter,
		Recorder: mgr.GetEventRecorder("ocimeshmachinepool-controller"), KeyNamespace: o.ownNamespace,
		Claims: held, Devices: devices, Options: machinepool.Options{Intervals: o.intervals()},
	}).SetupWithManager(ctx, mgr, perKind)
	if err != nil {
		return fmt.Errorf("set up OCIMeshMachinePool: %w", err)
	}
	err = (&poolmachine.Reconciler{
		Client: mgr.GetClient(), Access: clients, Pollers: pollers, WatchFilterValue: o.watchFilter,
		Recorder: mgr.GetEventRecorder("ocimeshmachinepoolmachine-controller"), Claims: held, Devices: devices,
		Options: poolmachine.Options{Intervals: o.intervals(), JoinTimeout: o.joinTimeout},
	}).SetupWithManager(ctx, mgr, perKind)
	if err != nil {
		return fmt.Errorf("set up OCIMeshMachinePoolMachine: %w", err)
	}
	return nil
}

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get

// findClaims finds out this management cluster's name for claiming its resources in OCI. The
// namespace kube-system cannot be deleted, so its UID is the management cluster's for its life.
func findClaims(ctx context.Context, mgr ctrl.Manager, o managerOptions) (*claims.Claims, error) {
	id := o.managementID
	if id == "" {
		system := &corev1.Namespace{}
		if err := mgr.GetAPIReader().Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, system); err != nil {
			return nil, fmt.Errorf("find the management cluster's UID: %w", err)
		}
		id = string(system.UID)
	}
	if strings.ContainsAny(id, " \t\n") || len(id) > 128 {
		return nil, fmt.Errorf("--management-cluster-id %q must be at most 128 characters without spaces", id)
	}
	return claims.New(id, o.contestWindow), nil
}

// setupKeys checks that there is a place for tailnet keys, and starts sweeping keys without an
// object.
func setupKeys(ctx context.Context, mgr ctrl.Manager, o managerOptions) error {
	namespace := &corev1.Namespace{}
	if err := mgr.GetAPIReader().Get(ctx, client.ObjectKey{Name: o.ownNamespace}, namespace); err != nil {
		return fmt.Errorf("find the namespace that the manager runs in (--own-namespace): %w", err)
	}
	kinds := map[string]func() client.Object{
		machine.Kind: func() client.Object { return &infrav1.OCIMeshMachine{} },
	}
	if o.gates.Enabled(machinePoolGate) {
		kinds[machinepool.Kind] = func() client.Object { return &expv1.OCIMeshMachinePool{} }
	}
	return mgr.Add(&tailnetnode.KeySweeper{
		KeyStore: tailnetnode.KeyStore{Client: mgr.GetClient(), Namespace: o.ownNamespace},
		Cache:    mgr.GetClient(), Reader: mgr.GetAPIReader(), Kinds: kinds, WatchNamespace: o.namespace,
	})
}

// setupPollers polls the accounts while the manager leads.
func setupPollers(mgr ctrl.Manager, clients *access.Clients, series *access.Series, o managerOptions) (*poller.Pollers, error) {
	polls, err := poller.NewMetrics(series)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	pollers := poller.New(mgr.GetClient(), clients, poller.Options{
		PollInterval: o.pollInterval, ProgressInterval: o.progressInterval, Metrics: polls, Forget: series.ForgetAccount,
	})
	return pollers, mgr.Add(pollers)
}

// setupScheduler has where machines go decided for machines and pools alike.
func setupScheduler(
	ctx context.Context, mgr ctrl.Manager, clients *access.Clients, pollers *poller.Pollers, o managerOptions,
) (*scheduling.Scheduler, error) {
	options := scheduling.Options{
		Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Access: clients, Pollers: pollers, PollInterval: o.pollInterval,
	}
	if o.gates.Enabled(machinePoolGate) {
		options.Pools = machinepool.Reservations(mgr.GetClient())
	}
	scheduler := scheduling.New(options)
	if err := scheduler.Watch(ctx, mgr.GetCache()); err != nil {
		return nil, fmt.Errorf("set up scheduling: %w", err)
	}
	return scheduler, nil
}

// setupChecks has /healthz and /readyz answer once the webhook server does.
func setupChecks(mgr ctrl.Manager) error {
	if err := mgr.AddReadyzCheck("webhook", mgr.GetWebhookServer().StartedChecker()); err != nil {
		return err
	}
	return mgr.AddHealthzCheck("webhook", mgr.GetWebhookServer().StartedChecker())
}
