// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command manager runs the controllers of Cluster API Provider OCI Mesh.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/logs"
	logsv1 "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/logs/json/register"
	"k8s.io/klog/v2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/remote"
	"sigs.k8s.io/cluster-api/util/apiwarnings"
	"sigs.k8s.io/cluster-api/util/flags"
	capiversion "sigs.k8s.io/cluster-api/version"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/collector"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/machine"
)

// version is set when the program is linked.
var version = "dev"

const controllerName = "capom-controller-manager"

// gracefulShutdown is how long running work may take to end; the lease is released afterwards. A
// pod must be given more time (terminationGracePeriodSeconds in config/manager).
const gracefulShutdown = 30 * time.Second

// minimumKubernetes is the first version of the management cluster with selectable fields in CRDs:
// one of them finds the machines of an account before it is deleted (controllers/index).
const minimumKubernetes = "v1.31.0"

// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

func main() {
	options := defaultOptions()
	options.addFlags(pflag.CommandLine)
	// controller-runtime puts --kubeconfig into the standard library's flags.
	pflag.CommandLine.AddGoFlagSet(flag.CommandLine)
	pflag.Parse()
	if err := logsv1.ValidateAndApply(options.logs, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctrl.SetLogger(klog.Background())
	err := run(ctrl.SetupSignalHandler(), options)
	if err != nil {
		klog.Background().Error(err, "The manager stopped")
	}
	logs.FlushLogs()
	if err != nil {
		os.Exit(1)
	}
}

func run(ctx context.Context, options managerOptions) error {
	mgr, err := newManager(options)
	if err != nil {
		return err
	}
	series := access.NewSeries(metrics.Registry)
	ociMetrics, err := oci.NewMetrics(series)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	machineMetrics, err := machine.NewMetrics(series, time.Now())
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if err := collector.Register(series, mgr.GetClient()); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	clients := access.New(access.Options{
		Client:         mgr.GetClient(),
		Namespace:      options.ownNamespace,
		WatchNamespace: options.namespace,
		SecretMetadata: mgr.GetCache(),
		OCIMetrics:     ociMetrics,
		// A third, so two slow accounts leave workers to the others.
		Limits:         oci.Limits{InFlight: max(1, options.concurrency/3)},
		Series:         series,
		RequestTimeout: options.requestTimeout,
	})
	pollers, err := setupPollers(mgr, clients, series, options)
	if err != nil {
		return err
	}
	held, err := findClaims(ctx, mgr, options)
	if err != nil {
		return err
	}
	scheduler, err := setupScheduler(ctx, mgr, clients, pollers, options)
	if err != nil {
		return err
	}
	if err := setupControllers(ctx, mgr, clients, pollers, scheduler, machineMetrics, held, options); err != nil {
		return err
	}
	if err := setupPools(ctx, mgr, clients, pollers, scheduler, held, options); err != nil {
		return err
	}
	if err := setupInPlace(mgr, options); err != nil {
		return err
	}
	if err := setupKeys(ctx, mgr, options); err != nil {
		return err
	}
	if err := setupChecks(mgr); err != nil {
		return err
	}
	klog.FromContext(ctx).Info("Starting the manager", "version", version)
	return mgr.Start(ctx)
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, clusterv1.AddToScheme, infrav1.AddToScheme, expv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register API types: %w", err)
		}
	}
	return scheme, nil
}

// managementCluster is how its API server is reached. What that says of finalizers named as Cluster
// API names them, with each machine, is nothing that users can change.
func managementCluster(options managerOptions) (*rest.Config, error) {
	config, err := ctrl.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("find the management cluster: %w", err)
	}
	config.QPS, config.Burst = options.kubeAPIQPS, options.kubeAPIBurst
	config.UserAgent = remote.DefaultClusterAPIUserAgent(controllerName)
	config.WarningHandler = apiwarnings.DefaultHandler(klog.Background().WithName("API server"))
	return config, nil
}

func newManager(options managerOptions) (ctrl.Manager, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	tlsOptions, metricsOptions, err := flags.GetManagerOptions(options.manager)
	if err != nil {
		return nil, fmt.Errorf("read the diagnostics flags: %w", err)
	}
	config, err := managementCluster(options)
	if err != nil {
		return nil, err
	}
	if err := capiversion.CheckKubernetesVersion(config, minimumKubernetes); err != nil {
		return nil, fmt.Errorf("check the management cluster: %w", err)
	}

	// Credentials lie in any namespace or, if the manager is for one, in this one and the manager's
	// own.
	var namespaces map[string]ctrlcache.Config
	secretNamespaces := map[string]ctrlcache.Config{ctrlcache.AllNamespaces: {}}
	if options.namespace != "" {
		namespaces = map[string]ctrlcache.Config{options.namespace: {}}
		secretNamespaces = map[string]ctrlcache.Config{options.namespace: {}, options.ownNamespace: {}}
	}
	return ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Controller:                    ctrlconfig.Controller{UsePriorityQueue: new(false)}, // docs/decisions/0014-work-queue.md
		LeaderElection:                options.leaderElect,
		LeaderElectionID:              "capom-controller-manager-leader-election",
		LeaderElectionNamespace:       options.ownNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &options.leaseDuration,
		RenewDeadline:                 &options.renewDeadline,
		RetryPeriod:                   &options.retryPeriod,
		GracefulShutdownTimeout:       new(gracefulShutdown),
		HealthProbeBindAddress:        options.healthAddress,
		Metrics:                       *metricsOptions,
		Cache: ctrlcache.Options{
			DefaultNamespaces: namespaces,
			SyncPeriod:        &options.syncPeriod,
			// The managed fields are never read, and are a third of a machine's size.
			DefaultTransform: ctrlcache.TransformStripManagedFields(),
			ByObject:         map[client.Object]ctrlcache.ByObject{&corev1.Secret{}: {Namespaces: secretNamespaces}},
		},
		Client: client.Options{Cache: &client.CacheOptions{
			// Only the metadata of Secrets is cached; their contents are read when needed and never
			// kept.
			DisableFor: []client.Object{&corev1.Secret{}},
		}},
		WebhookServer: webhook.NewServer(webhook.Options{
			Port: options.webhookPort, CertDir: options.webhookCertDir,
			CertName: options.webhookCertName, KeyName: options.webhookKeyName, TLSOpts: tlsOptions,
		}),
	})
}
