// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/cluster-api/util/conditions"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/strays"
)

// strayLooks is how many polls must have shown an instance without an object before it counts as a
// stray.
const strayLooks = 3

// maxNameTag is the length of a tag's value in OCI.
const maxNameTag = 256

// strays finds the instances that carry this provider's tags and belong to no object, from what
// polls have shown. It removes nothing: they may be another management cluster's.
func (r *Reconciler) strays(ctx context.Context, s *scope) error {
	if r.Pollers == nil {
		return nil
	}
	uid := s.account.UID
	claimed, began := r.Pollers.Cache(s.account).Claimed()
	if began.IsZero() || !r.strayWatch.Fresh(uid, began) {
		return nil
	}
	owned, err := r.ownersIn(ctx, s, claimed)
	if err != nil {
		return unlessForbidden(ctx, err)
	}
	suspects := map[string]oci.Instance{}
	var ids []string
	for _, instance := range claimed {
		if !owned.has(instance) {
			suspects[instance.ID] = instance
			ids = append(ids, instance.ID)
		}
	}
	policy := strays.Policy{Looks: strayLooks, Age: r.Options.withDefaults().StrayAfter}
	for _, id := range r.strayWatch.Look(uid, began, policy, ids) {
		has, err := r.hasObject(ctx, suspects[id])
		switch {
		case apierrors.IsForbidden(err):
			// A manager of one namespace may not look into the others: what it cannot see may be
			// there, unless their manager has told otherwise.
			r.strayWatch.Hidden(uid, id)
		case err != nil:
			return err
		case has:
			r.strayWatch.Owned(uid, id)
		default:
			r.strayWatch.Alone(uid, id, began)
		}
	}
	all := told(s.account)
	all.Group = func(id string) string {
		namespace, _, _ := strings.Cut(nameTag(suspects[id]), "/")
		return namespace
	}
	found, count, waiting := r.strayWatch.All(uid, all)
	s.strays = &straysSeen{status: straysStatus(found, count, suspects)}
	s.strays.finding = strays.Finding{
		Count: count, Suspects: waiting,
		Found:     foundMessage(s.account, found, count, suspects),
		Suspected: suspectedMessage(waiting, policy.Age),
	}
	return nil
}

// told are the strays in the account's status.
func told(account *infrav1.OCIAccount) strays.Told {
	status := account.Status.Strays
	all := strays.Told{Count: int(ptr.Deref(status.Count, 0)), Named: map[string]time.Time{}}
	for _, instance := range status.Instances {
		all.Named[instance.ID] = instance.Since.Time
	}
	return all
}

// unlessForbidden leaves strays out where the provider may not read the objects of all namespaces:
// what it cannot see may well be there.
func unlessForbidden(ctx context.Context, err error) error {
	if !apierrors.IsForbidden(err) {
		return err
	}
	ctrl.LoggerFrom(ctx).V(2).Info("Cannot tell strays without reading the objects of all namespaces", "message", err.Error())
	return nil
}

// straysSeen is what there is to write down of a look.
type straysSeen struct {
	status  infrav1.AccountStrays
	finding strays.Finding
}

// updateStrays writes status and condition, and tells of a change. What was not looked at stays as
// it is.
func (r *Reconciler) updateStrays(s *scope) {
	if s.strays == nil {
		if conditions.Get(s.account, infrav1.StraysAbsentCondition) == nil {
			conditions.Set(s.account, strays.NotLookedAt())
		}
		return
	}
	before := told(s.account).Count
	s.account.Status.Strays = s.strays.status
	conditions.Set(s.account, s.strays.finding.Condition())
	strays.Announce(r.Recorder, s.account, before, s.strays.finding.Count, s.strays.finding.Found)
}

func straysStatus(found []strays.Stray, count int, instances map[string]oci.Instance) infrav1.AccountStrays {
	status := infrav1.AccountStrays{Count: strays.Count(count)}
	for _, stray := range found {
		if len(status.Instances) == strays.Named {
			break
		}
		if !strays.IsID(stray.ID, 255) {
			continue
		}
		instance := instances[stray.ID]
		status.Instances = append(status.Instances, infrav1.StrayInstance{
			ID: stray.ID, DisplayName: strays.Text(instance.DisplayName, 255), Owner: strays.Text(nameTag(instance), maxNameTag),
			Since: metav1.NewTime(stray.Since),
		})
	}
	return status
}

// nameTag is namespace/name of the object that the instance was made for.
func nameTag(instance oci.Instance) string {
	if instance.Tags[infrav1.MachineUIDTag] != "" {
		return instance.Tags[infrav1.MachineNameTag]
	}
	return instance.Tags[infrav1.MachinePoolNameTag]
}

// named and width bound what the message says of instances; the status has all of it.
const (
	namedInMessage = 3
	width          = 40
)

// foundMessage has the commands before the names: what is too long is cut at the end.
func foundMessage(account *infrav1.OCIAccount, found []strays.Stray, count int, instances map[string]oci.Instance) string {
	if len(found) == 0 {
		return ""
	}
	first := found[0].ID
	if !strays.IsID(first, 255) {
		first = "OCID"
	}
	in := fmt.Sprintf("--instance-id %s --profile %s --region %s", first, account.Name, account.Spec.Region)
	var names []string
	for _, stray := range found[:min(namedInMessage, len(found))] {
		instance := instances[stray.ID]
		names = append(names, fmt.Sprintf("%s (%s)", strays.Text(instance.DisplayName, width), strays.Text(nameTag(instance), width)))
	}
	if more := count - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more in status.strays", more))
	}
	return fmt.Sprintf("%s with this provider's tags and no object in this management cluster. Nothing is removed by itself, since "+
		"another management cluster's instances look the same. Look at the first: oci compute instance get %s; if nobody needs it, "+
		"remove it: oci compute instance terminate %s. Found: %s", instancesAre(count), in, in, strings.Join(names, ", "))
}

func suspectedMessage(suspects int, age time.Duration) string {
	return fmt.Sprintf("%s with this provider's tags and no object in this management cluster: counted as strays if that is "+
		"still so after %s", instancesAre(suspects), age)
}

func instancesAre(n int) string {
	if n == 1 {
		return "There is 1 instance"
	}
	return fmt.Sprintf("There are %d instances", n)
}
