// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

const (
	// maxHostname is the length of a DNS label.
	maxHostname = 63
	// uidLength is how much of the UID a hostname ends with: 32 random bits.
	uidLength = 8
)

// ensureIdentity writes the finalizer and the identity, before anything is made that they are there for. added says that the
// pass is over: the write brings the next one.
func (r *Reconciler) ensureIdentity(ctx context.Context, own *infrav1.OCIMeshMachine) (added bool, err error) {
	if !own.DeletionTimestamp.IsZero() {
		return false, nil
	}
	before := own.DeepCopy()
	added = controllerutil.AddFinalizer(own, infrav1.OCIMeshMachineFinalizer)
	if recordedIdentity(own) == "" {
		if own.Annotations == nil {
			own.Annotations = map[string]string{}
		}
		own.Annotations[infrav1.MachineIdentityAnnotation] = fmt.Sprintf("%s/%s/%s", own.Namespace, own.Name, own.UID)
		added = true
	}
	if !added {
		return false, nil
	}
	if err := r.Client.Patch(ctx, own, client.MergeFrom(before)); err != nil {
		return false, fmt.Errorf("adding the finalizer: %w", err)
	}
	return true, nil
}

// recordedIdentity is the UID in the annotation. An annotation that was copied from another object does not count.
func recordedIdentity(own *infrav1.OCIMeshMachine) string {
	uid, ours := strings.CutPrefix(own.Annotations[infrav1.MachineIdentityAnnotation], own.Namespace+"/"+own.Name+"/")
	if !ours || strings.Contains(uid, "/") {
		return ""
	}
	return uid
}

func identityOf(own *infrav1.OCIMeshMachine) string {
	if recorded := recordedIdentity(own); recorded != "" {
		return recorded
	}
	return string(own.UID)
}

// hostnameOf is the machine's name in the tailnet and its instance's display name: a DNS label that no other machine of any
// namespace or management cluster has.
func hostnameOf(name, identity string) string {
	suffix := "-" + strings.ReplaceAll(identity, "-", "")
	suffix = suffix[:min(len(suffix), 1+uidLength)]
	label := strings.ReplaceAll(name, ".", "-")
	label = label[:min(len(label), maxHostname-len(suffix))]
	return strings.TrimRight(label, "-") + suffix
}
