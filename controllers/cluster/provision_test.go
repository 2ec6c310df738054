// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestWithoutAnAccountForControlPlanesTheClusterIsNotProvisioned(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	b.Reload(t, b.Accounts[0])
	b.SetReady(t, b.Accounts[0], metav1.ConditionFalse, "SecretNotFound", "create it")
	no := false
	infra := b.cluster("c1", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		if len(infra.Spec.Accounts) > 0 {
			infra.Spec.Accounts[1].ControlPlane = &no
		}
	})

	b.until(infra, "NetworkReady True Ready")

	b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())
}
