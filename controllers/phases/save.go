// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package phases

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	kerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/cluster-api/util/labels"
	"sigs.k8s.io/cluster-api/util/patch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Object is what a controller reconciles.
type Object interface {
	client.Object
	conditions.Setter
}

// Get reads the object of a request, and tells whether there is one for this manager. The watches
// filter by the label already, but not what they map from other objects: an account that is this
// manager's may be used by objects that are another's.
func Get(ctx context.Context, c client.Client, key client.ObjectKey, object Object, watchFilter string) (ours bool, err error) {
	if err := c.Get(ctx, key, object); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return watchFilter == "" || labels.HasWatchLabel(object, watchFilter), nil
}

// Saver writes what a pass has changed of an object.
type Saver struct {
	object   Object
	before   Object
	helper   *patch.Helper
	owned    []string
	recorder events.EventRecorder
}

// NewSaver remembers the object as it is before the pass. The conditions are the ones that the
// controller owns; a nil recorder is silent.
func NewSaver(c client.Client, recorder events.EventRecorder, object Object, owned []string) (*Saver, error) {
	helper, err := patch.NewHelper(object, c)
	if err != nil {
		return nil, err
	}
	before, ok := object.DeepCopyObject().(Object)
	if !ok {
		return nil, fmt.Errorf("copying %T", object)
	}
	return &Saver{object: object, before: before, helper: helper, owned: owned, recorder: recorder}, nil
}

// Save writes the object after the pass over the scope, tells of a change of Ready, and returns the
// error of the pass with its own. What is gone is not written.
func (s *Saver) Save(ctx context.Context, scope Scope, passed error) error {
	err := s.helper.Patch(ctx, s.object, patch.WithOwnedConditions{Conditions: s.owned})
	scope.pass().Intervals.Announce(s.recorder, s.object, conditions.Get(s.before, infrav1.ReadyCondition), conditions.Get(s.object, infrav1.ReadyCondition))
	return errors.Join(passed, ignoreGone(err))
}

// ignoreGone leaves out that there is no object any more. The patch helper's errors are aggregates,
// which errors.As does not look into.
func ignoreGone(err error) error {
	var all kerrors.Aggregate
	if errors.As(err, &all) {
		return kerrors.FilterOut(all, apierrors.IsNotFound)
	}
	return client.IgnoreNotFound(err)
}
