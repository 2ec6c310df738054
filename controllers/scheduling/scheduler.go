// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package scheduling decides where machines go and how large machine pools may be. It knows what
// machines and pools of all clusters use of the accounts, reserves what is decided until that is
// written, remembers images, and says why there is no place. Plain values go in and out. The
// decision itself is pure: cloud/placement.
package scheduling

import (
	"context"
	"errors"
	"fmt"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/image"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
)

// ErrBehind says that the request is of a machine as it was before an earlier decision: that one is
// written, and a new one must not take its place. The cache catches up soon.
var ErrBehind = errors.New("the machine was read before its last placement was written")

// WaitError says that something has to come first. It is no problem, and no news to anybody.
type WaitError struct{ problem *access.Problem }

// Error says what is waited for.
func (e *WaitError) Error() string { return e.problem.Message }

// Unwrap returns the problem.
func (e *WaitError) Unwrap() error { return e.problem }

// Waiting says what is waited for, and after how long to ask again at the latest.
func (e *WaitError) Waiting() *access.Problem { return e.problem }

func waitFor(after time.Duration, format string, args ...any) error {
	problem := access.NewProblem(infrav1.WaitingReason, format, args...)
	problem.RetryAfter = after
	return &WaitError{problem}
}

// Options are what a Scheduler needs.
type Options struct {
	// Client reads from the manager's cache.
	Client client.Reader
	// APIReader reads from the API server.
	APIReader client.Reader
	// Access hands out clients of accounts.
	Access *access.Clients
	// Pollers know the instances of all accounts, and where there is no room.
	Pollers *poller.Pollers
	// Pools lists the machine pools of all clusters; nil means that there are none.
	Pools func(context.Context) ([]Pool, error)
	// PollInterval is when to ask again if a person has to fix something; 60 seconds by default.
	PollInterval time.Duration
	// Clock tells the time; time.Now by default.
	Clock func() time.Time
}

// Scheduler decides where machines go. It is safe for concurrent use; a process needs one.
type Scheduler struct {
	options      Options
	reservations reservations
	images       images
	shapeLists   shapeLists
	// grants are the sizes that pools were allowed; strayLists are by account. Whoever decides
	// holds reservations.deciding.
	grants     map[client.ObjectKey]grant
	strayLists map[string]strayList
	// watch keeps the reservations up to date; nil without a manager.
	watch toolscache.ResourceEventHandlerRegistration
}

// New is a Scheduler that has seen nothing yet.
func New(options Options) *Scheduler {
	if options.PollInterval <= 0 {
		options.PollInterval = time.Minute
	}
	if options.Clock == nil {
		options.Clock = time.Now
	}
	return &Scheduler{options: options}
}

// Request is a machine that needs a place.
type Request struct {
	// Key is the OCIMeshMachine's, ResourceVersion that of the object as it was read.
	Key             client.ObjectKey
	ResourceVersion string
	// Identity is the UID that the object was first seen with.
	Identity string
	// Recorded is the placement in its status as it was read.
	Recorded infrav1.Placement
	// Granted is the size in its status, with what the pass has found out of it since.
	Granted infrav1.MachineSizeStatus
	// Attempt is the number of the new decision.
	Attempt int32
	// Labels are the Machine's: they tell what it is spread among.
	Labels map[string]string
	// FailureDomain is the Machine's; empty leaves the choice.
	FailureDomain string
	// Owner is what rolls the machine out, in words, such as KubeadmControlPlane mesh; empty for a
	// machine that nothing rolls out.
	Owner string
	// ControlPlanes is how many control planes the cluster is to have; 0 while it is not known.
	ControlPlanes int
	// Refusals are the places whose accounts refused the machine's launch, as its status has them.
	Refusals []infrav1.Shortage
	// Spec is the OCIMeshMachine's.
	Spec infrav1.OCIMeshMachineSpec
	// Cluster names the Cluster, InfraCluster is its infrastructure.
	Cluster      client.ObjectKey
	InfraCluster *infrav1.OCIMeshCluster
}

// mark is what instances of the machine are tagged with.
func (r Request) mark() ownership.Mark {
	return ownership.Machine(r.Identity, r.Key.Namespace, r.Key.Name).Mark()
}

func (r Request) sizeIn(shape string) capacity.Size { return SizeIn(r.Spec, shape) }

// SizeIn is what a machine asks of a shape.
func SizeIn(spec infrav1.OCIMeshMachineSpec, shape string) capacity.Size {
	size := placement.ShapeNamed(spec, shape, nil).Size
	return capacity.Size{OCPUs: size.OCPUs, MemoryGB: size.MemoryGB}
}

// Placement is where a machine goes.
type Placement struct {
	infrav1.Placement
	// FailureDomain is the availability domain's name in the cluster.
	FailureDomain string
}

// Schedule decides where a machine goes and reserves the place, until the machine's status shows it
// or Cancel takes it back. A Refusal says why there is no place. Errors are ErrBehind, a WaitError,
// problems and errors of accounts, and the API server's.
func (s *Scheduler) Schedule(ctx context.Context, request Request) (Placement, *Refusal, error) {
	if err := s.checkBehind(ctx, request); err != nil {
		return Placement{}, nil, err
	}
	placed, refusal, err := s.schedule(ctx, request, s.options.Clock())
	if err != nil || refusal != nil {
		s.Cancel(ctx, request.Key)
		return Placement{}, refusal, err
	}
	ctrl.LoggerFrom(ctx).Info("Placed the machine", "OCIAccount", klog.KRef("", placed.Account), "failureDomain", placed.FailureDomain,
		"faultDomain", placed.FaultDomain, "shape", placed.Shape, "reason", placed.Reason)
	return placed, nil, nil
}

// Cancel takes back a decision that will not be written, and lets others try the place.
func (s *Scheduler) Cancel(ctx context.Context, key client.ObjectKey) {
	s.releaseProbe(ctx, key)
	s.reservations.release(key)
}

// Forget lets go of a machine that is gone.
func (s *Scheduler) Forget(key client.ObjectKey) { s.reservations.forget(key) }

// checkBehind finds out whether the request is of the machine as it was before a decision of this
// process: that one is written, its place is reserved, and another must not take that away. What
// was decided and never written is decided anew.
func (s *Scheduler) checkBehind(ctx context.Context, request Request) error {
	if s.reservations.placement(request.Key).Attempt <= request.Recorded.Attempt {
		return nil
	}
	current := &infrav1.OCIMeshMachine{}
	if err := s.options.APIReader.Get(ctx, request.Key, current); err != nil {
		return fmt.Errorf("%w: %w", ErrBehind, err)
	}
	if current.ResourceVersion != request.ResourceVersion {
		return ErrBehind
	}
	return nil
}

// schedule decides until the best place has the machine's image. A place without it is passed over
// like one without room; one that does not answer is waited for. Each time is a decision of its
// own, since what was not reserved may be gone.
func (s *Scheduler) schedule(ctx context.Context, request Request, now time.Time) (Placement, *Refusal, error) {
	var accounts []string
	for _, listed := range request.InfraCluster.Spec.Accounts {
		accounts = append(accounts, listed.Name)
	}
	if err := s.learnSizes(ctx, accounts, request.Key.Namespace, request.Spec.Shapes, now); err != nil {
		return Placement{}, nil, err
	}
	var unsuitable []placement.Place
	var problems []error
	for {
		facts, decision, placed, err := s.decide(ctx, request, unsuitable, now)
		if err != nil {
			return Placement{}, nil, err
		}
		if len(decision.Candidates) == 0 {
			if err := s.noteLimits(ctx, decision, now); err != nil {
				return Placement{}, nil, err
			}
			return Placement{}, refuse(s.adviceFor(request, facts, decision), decision, problems, now, s.options.PollInterval), nil
		}
		c, err := s.clientOf(ctx, placed.Account, request.Key.Namespace)
		if err != nil {
			return Placement{}, nil, err
		}
		placed.ImageID, err = s.images.find(ctx, c, image.Query{
			Image: request.Spec.Image, Shape: placed.Shape, AvailabilityDomain: placed.AvailabilityDomain,
		}, now)
		if err == nil {
			return Placement{Placement: placed, FailureDomain: decision.Candidates[0].FailureDomain}, nil, nil
		}
		problem := imageProblem(placed.Account, err)
		if problem == nil {
			return Placement{}, nil, err
		}
		problems = append(problems, problem)
		unsuitable = append(unsuitable, placement.Place{
			Account: placed.Account, AvailabilityDomain: placed.AvailabilityDomain, Shape: placed.Shape,
		})
	}
}

// decide reads the facts and reserves the best place at once, so that machines that are placed at
// the same time see each other, and the last of a budget is given away once.
func (s *Scheduler) decide(
	ctx context.Context, request Request, unsuitable []placement.Place, now time.Time,
) (facts placement.Facts, decision placement.Decision, placed infrav1.Placement, err error) {
	s.reservations.deciding.Lock()
	defer s.reservations.deciding.Unlock()
	facts, err = s.facts(ctx, request, now)
	if err != nil {
		return facts, decision, placed, err
	}
	facts.Refused = unsuitable
	decision = placement.Decide(facts)
	if len(decision.Candidates) == 0 {
		return facts, decision, placed, nil
	}
	placed, err = s.reserve(ctx, request, decision.Candidates[0], now)
	return facts, decision, placed, err
}

// reserve notes the place for the machine, and that it is the one that tries the place if that was
// short.
func (s *Scheduler) reserve(ctx context.Context, request Request, best placement.Candidate, now time.Time) (infrav1.Placement, error) {
	s.releaseProbe(ctx, request.Key)
	account, err := s.account(ctx, best.Account)
	if err != nil {
		return infrav1.Placement{}, err
	}
	placed := infrav1.Placement{
		Attempt: request.Attempt, Account: best.Account, AvailabilityDomain: best.AvailabilityDomain,
		FaultDomain: best.FaultDomain, Shape: best.Shape, Reason: best.Reason,
	}
	s.options.Pollers.Shortages(account).Claim(PlaceOf(placed), request.Key.String(), now)
	s.reservations.reserve(request, placed)
	return placed, nil
}

// noteLimits has the limits that keep a machine out read again before long: Oracle may raise them.
func (s *Scheduler) noteLimits(ctx context.Context, decision placement.Decision, now time.Time) error {
	for _, name := range accountsWith(decision, placement.OverLimit) {
		account, err := s.account(ctx, name)
		if err != nil {
			return err
		}
		s.options.Pollers.Shortages(account).Limited(now)
	}
	return nil
}

// releaseProbe lets others try what the machine was to try.
func (s *Scheduler) releaseProbe(ctx context.Context, key client.ObjectKey) {
	if account, err := s.account(ctx, s.reservations.placement(key).Account); err == nil {
		s.options.Pollers.Shortages(account).Release(key.String())
	}
}

func (s *Scheduler) account(ctx context.Context, name string) (*infrav1.OCIAccount, error) {
	account := &infrav1.OCIAccount{}
	if err := s.options.Client.Get(ctx, client.ObjectKey{Name: name}, account); err != nil {
		return nil, fmt.Errorf("reading OCIAccount %s: %w", name, err)
	}
	return account, nil
}

// clientOf is the client of an account that something new is to be made in.
func (s *Scheduler) clientOf(ctx context.Context, name, namespace string) (*oci.Client, error) {
	account, err := s.options.Access.Account(ctx, name, namespace)
	if err != nil {
		return nil, err
	}
	return s.options.Access.OCI(ctx, account)
}

// Image finds the image that a pool's instances are launched from.
func (s *Scheduler) Image(ctx context.Context, c *oci.Client, account string, query image.Query) (string, error) {
	id, err := s.images.find(ctx, c, query, s.options.Clock())
	if err != nil {
		if problem := imageProblem("OCIAccount "+account, err); problem != nil {
			return "", problem
		}
	}
	return id, err
}

// PlaceOf is the place of a placement, as shortages name it.
func PlaceOf(at infrav1.Placement) capacity.Place {
	return capacity.Place{
		Account: at.Account, AvailabilityDomain: at.AvailabilityDomain, FaultDomain: at.FaultDomain, Shape: at.Shape,
	}
}
