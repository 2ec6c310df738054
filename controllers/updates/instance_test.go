// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// What OCI and the node do is tested with the controller of machines, which has the worlds for it.
func TestWhenAMachineIsUpdatedAndWhenARestartIsToBeExpected(t *testing.T) {
	t.Parallel()
	soon := metav1.NewTime(time.Now().Add(time.Minute))
	for name, test := range map[string]struct {
		marked              bool
		update              infrav1.UpdateStatus
		updated, restarting bool
	}{
		"at rest":                  {},
		"asked by Cluster API":     {marked: true, updated: true},
		"about to restart":         {update: infrav1.UpdateStatus{Step: infrav1.UpdateRestart, Attempt: 1}, updated: true, restarting: true},
		"about to be resized":      {marked: true, update: infrav1.UpdateStatus{Step: infrav1.UpdateResize, Attempt: 1}, updated: true, restarting: true},
		"its volumes grow":         {marked: true, update: infrav1.UpdateStatus{Step: infrav1.UpdateGrow, Attempt: 1}, updated: true},
		"settling after a restart": {update: infrav1.UpdateStatus{Attempt: 1, NotBefore: soon}, updated: true, restarting: true},
		"refused by OCI":           {update: infrav1.UpdateStatus{Attempt: 1, NotBefore: soon, Refusal: "no"}, updated: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			own := &infrav1.OCIMeshMachine{}
			if test.marked {
				own.Annotations = map[string]string{clusterv1.UpdateInProgressAnnotation: ""}
			}
			own.Status.Update = test.update
			g.Expect(IsUpdated(own)).To(Equal(test.updated))
			g.Expect(IsRestarting(own.Status.Update)).To(Equal(test.restarting))
		})
	}
}
