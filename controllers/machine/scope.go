// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/cluster-api/util/annotations"
	"sigs.k8s.io/cluster-api/util/patch"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// scope is what the phases of one pass know.
type scope struct {
	phases.Pass
	// own is the object; before is how it was when the pass began, or at its checkpoint; patch
	// writes the difference. Set by newScope, Reconcile and checkpoint.
	own, before *infrav1.OCIMeshMachine
	patch       *patch.Helper
	// exclusive is true after a decision in status, to be written only over the version it was read
	// from. Set by choose, tryAnew, giveUpInstance, stand and updateVersions.
	exclusive bool
	// checked is true if own was written by this pass over the newest version. Set by checkpoint.
	checked bool
	// recorder records events; nil records none.
	recorder events.EventRecorder
	// options are the controller's, with their defaults; now is the time of the pass.
	options Options
	now     time.Time

	// machine owns own. cluster and infraCluster may be nil while own is being deleted.
	machine      *clusterv1.Machine
	cluster      *clusterv1.Cluster
	infraCluster *infrav1.OCIMeshCluster

	// identity is own's UID at its first pass, hostname its name in the tailnet, owner the source
	// of its tags. Set by identify.
	identity, hostname string
	owner              ownership.Owner

	// tailnet is the cluster's. Set by prerequisites.
	tailnet *infrav1.Tailnet
	// bootstrap is what user data is rendered from, but for the key. Set by bootstrapData.
	bootstrap cloudinit.Input
	// key is the machine's key for its tailnet. It has its place from newScope and identify; Load
	// reads it.
	key tailnetnode.Keyring

	// instance is what OCI said in this pass; nil if it was not asked or the instance is gone. Set
	// by observeInstance.
	instance *oci.Instance
	// cache holds the instances of its account. Set by observeInstance.
	cache *instancecache.Cache
	// observed is the machine's device in the tailnet. Set by observeDevice.
	observed tailnetnode.Observed

	// putOff is set if the change in place waits for OCI, the budget or packages while the machine
	// runs on as it is. Set by update and updateVersions.
	putOff bool
	// versionsUpdated is set if the node has the versions that it is to have. Set by
	// updateVersions.
	versionsUpdated bool

	// late is set if the node is late, and says at what. Set by readConsole.
	late string

	// hadInstance is set if there was something to terminate, endedIn has its accounts. Set by
	// terminate.
	hadInstance bool
	endedIn     []string

	// unseen is set if the account was not polled yet since the process began, or the machine is
	// older than its last write: nothing new is known, and nothing is written. Set by
	// currentInstance, choose and checkpoint.
	unseen bool
	// handedOver is set if this pass hands the machine over to Cluster API, with an event of its
	// own. Set by provision.
	handedOver bool
	// released is set once the object stands for nothing any more. Set by release.
	released bool
}

// isPaused tells whether somebody wants the machine left alone.
func (s *scope) isPaused() bool {
	return (s.cluster != nil && ptr.Deref(s.cluster.Spec.Paused, false)) || annotations.HasPaused(s.own)
}

// isControlPlane tells whether the machine runs an API server.
func (s *scope) isControlPlane() bool { return util.IsControlPlaneMachine(s.machine) }

// launched tells whether an instance was made, as far as is recorded or claimed: none is launched
// for an object with a providerID.
func (s *scope) launched() bool { return s.own.Status.Instance.ID != "" || s.own.Spec.ProviderID != "" }

// newScope reads the objects around own; nil if there is nothing to do before somebody else has
// done his part.
func (r *Reconciler) newScope(ctx context.Context, own *infrav1.OCIMeshMachine) (*scope, error) {
	log := ctrl.LoggerFrom(ctx)
	options := r.Options.withDefaults()
	s := &scope{Pass: phases.Pass{Intervals: options.Intervals}, own: own, recorder: r.Recorder, options: options, now: options.Clock()}
	s.key.Store = tailnetnode.KeyStore{Client: r.Client, Namespace: r.KeyNamespace}
	deleting := !own.DeletionTimestamp.IsZero()
	if deleting && !controllerutil.ContainsFinalizer(own, infrav1.OCIMeshMachineFinalizer) {
		return nil, nil
	}
	var err error
	if s.machine, err = util.GetOwnerMachine(ctx, r.Client, own.ObjectMeta); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the owner Machine: %w", err)
	}
	if s.machine == nil {
		if !deleting {
			log.V(4).Info("Waiting for the Machine controller to set the owner reference")
			return nil, nil
		}
		// The Machine is gone by force. Its labels are on own as well.
		s.machine = &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: own.Namespace, Labels: own.Labels}}
	}
	s.cluster, err = util.GetClusterFromMetadata(ctx, r.Client, s.machine.ObjectMeta)
	switch {
	case err == nil:
	case deleting && (apierrors.IsNotFound(err) || s.machine.Labels[clusterv1.ClusterNameLabel] == ""):
		s.cluster = nil
		return s, nil
	default:
		return nil, fmt.Errorf("reading the Cluster: %w", err)
	}
	s.infraCluster, err = infraClusterOf(ctx, r.Client, s.cluster)
	return s, err
}

// infraClusterOf is nil if the cluster has no OCIMeshCluster, or no longer.
func infraClusterOf(ctx context.Context, reader client.Reader, cluster *clusterv1.Cluster) (*infrav1.OCIMeshCluster, error) {
	if cluster.Spec.InfrastructureRef.Name == "" {
		return nil, nil
	}
	found := &infrav1.OCIMeshCluster{}
	key := client.ObjectKey{Namespace: cluster.Namespace, Name: cluster.Spec.InfrastructureRef.Name}
	if err := reader.Get(ctx, key, found); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading the OCIMeshCluster: %w", err)
	}
	return found, nil
}

func (s *scope) logContext(ctx context.Context) context.Context {
	log := ctrl.LoggerFrom(ctx).WithValues("Machine", klog.KObj(s.machine))
	if s.cluster != nil {
		log = log.WithValues("Cluster", klog.KObj(s.cluster))
	}
	return ctrl.LoggerInto(ctx, log)
}

// identify takes over the identity ensured by identity.Ensure.
func (s *scope) identify() {
	s.identity, s.owner = identity.Of(s.own), identity.OfMachine(s.own)
	s.hostname = identity.Hostname(s.own.Name, s.identity)
	s.key.Of = tailnetnode.KeyOwnerOf(Kind, s.own, s.identity)
}

// anybodys is the machine as the owner of what any management cluster holds for it.
func (s *scope) anybodys() ownership.Owner { return s.owner.HeldBy(ownership.Holder{}) }

// finder finds machines' instances.
func (r *Reconciler) finder() instances.Finder {
	return instances.Finder{Client: r.Client, Access: r.Access, Pollers: r.Pollers, Searches: &r.creations.searches}
}

// placedIn reaches the account that the machine is placed in, once it is asked.
func placedIn(s *scope, finder instances.Finder) func(context.Context) (instances.Account, error) {
	return func(ctx context.Context) (instances.Account, error) {
		return finder.Connect(ctx, s.own.Status.Placement.Account)
	}
}

// target is the machine of this pass.
func (s *scope) target() instances.Target {
	return instances.Target{
		Search: s.search(), Now: s.now, Owner: s.anybodys(), Selects: s.selects,
		ProviderID: s.own.Spec.ProviderID, Account: s.own.Status.Placement.Account,
		Cluster: s.infraCluster, StatusLost: s.statusWasLost(),
	}
}

// selects tells whether the spec allows an account; one that nobody can read does.
func (s *scope) selects(account *infrav1.OCIAccount) bool {
	selected, err := scheduling.Selects(s.own.Spec.Accounts, account)
	return err != nil || selected
}

// search is the one of this pass.
func (s *scope) search() instances.Search {
	return instances.Search{Machine: client.ObjectKeyFromObject(s.own), Deleting: !s.own.DeletionTimestamp.IsZero()}
}
