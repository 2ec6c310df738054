// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestAManagerNoticesAFixedSecretWithoutAPoll(t *testing.T) {
	g := NewWithT(t)
	w, _ := newWorld(t, tailnetsim.Tailscale)
	changeSecret(infrav1.TailnetClientSecretKey, "wrong")(t, w)
	env.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
		r := &Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Clients: w.Clients}
		return r.SetupWithManager(ctx, mgr, Options{Intervals: phases.Intervals{Poll: time.Hour}})
	})
	seen := func() []string {
		env.Reload(t, w.Tailnet)
		return helpers.ConditionsOf(w.Tailnet)
	}
	g.Eventually(seen, time.Minute).Should(ContainElement("Ready False AuthenticationFailed"))

	newClient("auth_keys", "devices:core", "devices:routes")(t, w)

	g.Eventually(seen, time.Minute).Should(ContainElement("Ready True Ready"))
}
