// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/component-base/featuregate"
	"k8s.io/component-base/logs"
	logsv1 "k8s.io/component-base/logs/api/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/flags"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
)

// managerOptions are the command line. Names and defaults follow Cluster API's own managers where
// they have them.
type managerOptions struct {
	logs    *logs.Options
	gates   featuregate.MutableFeatureGate
	manager flags.ManagerOptions

	namespace        string
	ownNamespace     string
	watchFilter      string
	leaderElect      bool
	leaseDuration    time.Duration
	renewDeadline    time.Duration
	retryPeriod      time.Duration
	healthAddress    string
	webhookPort      int
	webhookCertDir   string
	webhookCertName  string
	webhookKeyName   string
	extensionPort    int
	kubeAPIQPS       float32
	kubeAPIBurst     int
	syncPeriod       time.Duration
	concurrency      int
	requestTimeout   time.Duration
	pollInterval     time.Duration
	progressInterval time.Duration
	joinTimeout      time.Duration
	settleTime       time.Duration
	managementID     string
	contestWindow    time.Duration
}

func defaultOptions() managerOptions {
	gates := featuregate.NewFeatureGate()
	// It fails only for a gate known already, and this one has no gates.
	utilruntime.Must(gates.Add(map[featuregate.Feature]featuregate.FeatureSpec{
		machinePoolGate: {Default: true, PreRelease: featuregate.Beta},
		inPlaceGate:     {Default: false, PreRelease: featuregate.Alpha},
	}))
	return managerOptions{logs: logs.NewOptions(), gates: gates}
}

// machinePoolGate turns the controllers of machine pools on: OCIMeshMachinePool and
// OCIMeshMachinePoolMachine. Its name and default are those of Cluster API's gate.
const machinePoolGate featuregate.Feature = "MachinePool"

// inPlaceGate has Cluster API update machines in place. Its name and default are those of Cluster
// API's gate, without which nobody calls.
const inPlaceGate featuregate.Feature = "InPlaceUpdates"

func (o *managerOptions) addFlags(fs *pflag.FlagSet) {
	logsv1.AddFlags(o.logs, fs)
	flags.AddManagerOptions(fs, &o.manager)
	o.addClusterAPIFlags(fs)

	o.gates.AddFlag(fs)
	fs.StringVar(&o.ownNamespace, "own-namespace", cmp.Or(os.Getenv("POD_NAMESPACE"), "capom-system"),
		"Namespace that the manager runs in: it keeps tailnet keys there, and writes Secrets nowhere else; $POD_NAMESPACE by default")
	fs.IntVar(&o.concurrency, "concurrency", 10, "Number of objects of each kind to reconcile at once")
	fs.DurationVar(&o.requestTimeout, "request-timeout", 30*time.Second, "How long a call to OCI or a tailnet may take")
	fs.DurationVar(&o.pollInterval, "poll-interval", time.Minute, "How often machines, clusters and accounts at rest are looked at")
	fs.DurationVar(&o.progressInterval, "progress-interval", 10*time.Second, "How often something that is changing is looked at")
	fs.StringVar(&o.managementID, "management-cluster-id", "", "Name under which this management cluster claims what it makes in OCI; the UID of its "+
		"namespace kube-system by default. Give another one to a drill that was restored from a snapshot of etcd, which has the same UID")
	fs.DurationVar(&o.contestWindow, "contest-window", claims.DefaultWindow,
		"How long another management cluster with the same objects has to mind a claim before anything is ended under it; at least three poll intervals")
	fs.IntVar(&o.extensionPort, "runtime-extension-port", 9444,
		"Port of the server for Cluster API's updates in place, with the webhook server's certificate; nothing listens with the gate InPlaceUpdates off")
	fs.DurationVar(&o.settleTime, "settle-time", time.Minute, "How long after a restart for an update in place a machine is called updated at the earliest; "+
		"longer than the clusters' --node-monitor-grace-period, for which a Node that is down looks Ready")
	fs.DurationVar(&o.joinTimeout, "join-timeout", 20*time.Minute, "How long after its launch a machine should have joined the tailnet before its condition says so")
}

// pollsInWindow is how many times a thing must be looked at within the contest window
// (docs/decisions/0022-held-by.md): a claim that was not seen in time is minded by nobody.
const pollsInWindow = 3

// check refuses flags that do not go together. Durations that are not positive stand for defaults.
func (o *managerOptions) check() error {
	poll, window := o.pollInterval, o.contestWindow
	if poll <= 0 {
		poll = time.Minute
	}
	if window <= 0 {
		window = claims.DefaultWindow
	}
	if least := pollsInWindow * poll; window < least {
		return fmt.Errorf("--contest-window %s is less than three times --poll-interval %s, so that another management cluster could end "+
			"what this one holds before it has looked: give --contest-window=%s or more, or a shorter --poll-interval", window, poll, least)
	}
	return nil
}

func (o *managerOptions) addClusterAPIFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.namespace, "namespace", "", "Namespace that the manager watches; all if empty")
	fs.StringVar(&o.watchFilter, "watch-filter", "",
		fmt.Sprintf("Value of the label %s that objects must have to be reconciled; all if empty", clusterv1.WatchLabel))
	fs.BoolVar(&o.leaderElect, "leader-elect", false, "Let only one of several managers be active")
	fs.DurationVar(&o.leaseDuration, "leader-elect-lease-duration", 15*time.Second, "How long others wait before they take the lead")
	fs.DurationVar(&o.renewDeadline, "leader-elect-renew-deadline", 10*time.Second, "How long the leader tries to stay before it gives up")
	fs.DurationVar(&o.retryPeriod, "leader-elect-retry-period", 2*time.Second, "How long to wait between attempts to lead or stay")
	fs.StringVar(&o.healthAddress, "health-addr", ":9440", "Address of /healthz and /readyz")
	fs.IntVar(&o.webhookPort, "webhook-port", 9443, "Port of the webhook server")
	fs.StringVar(&o.webhookCertDir, "webhook-cert-dir", "/tmp/k8s-webhook-server/serving-certs/", "Folder of the webhook server's certificate")
	fs.StringVar(&o.webhookCertName, "webhook-cert-name", "tls.crt", "File name of the webhook server's certificate")
	fs.StringVar(&o.webhookKeyName, "webhook-key-name", "tls.key", "File name of the webhook server's key")
	fs.Float32Var(&o.kubeAPIQPS, "kube-api-qps", 500, "Requests per second to the API server, on average")
	fs.IntVar(&o.kubeAPIBurst, "kube-api-burst", 1000, "Requests to the API server at once")
	fs.DurationVar(&o.syncPeriod, "sync-period", 10*time.Minute, "How often every object is reconciled even if nothing changed")
}
