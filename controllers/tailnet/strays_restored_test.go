// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// A server that was restored from a backup gives the number of a lost device to another one.
func TestADeviceIsAStrayIfAStatusHasRecordedAnotherOneOfItsNumber(t *testing.T) {
	for kind, record := range map[string]func(t *testing.T, w *fixture, cluster *clusterv1.Cluster, device string) client.Object{
		"a machine's": func(t *testing.T, w *fixture, cluster *clusterv1.Cluster, device string) client.Object {
			t.Helper()
			w.machine(t, cluster, "worker", "uid", device)
			return &infrav1.OCIMeshMachine{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: "worker"}}
		},
		"a pool machine's": func(t *testing.T, w *fixture, cluster *clusterv1.Cluster, device string) client.Object {
			t.Helper()
			w.poolMachine(t, cluster, device)
			return helpers.NewOCIMeshMachinePoolMachine(w.Namespace, "pool-1")
		},
	} {
		for at, want := range map[time.Duration]string{0: present, -time.Hour: stray} {
			t.Run(kind+" "+want, func(t *testing.T) {
				w := newFixture(t)
				id := w.join(t, "worker-1", helpers.NodeTag)
				device, _ := w.Device(id)
				object := record(t, w, w.cluster(t, w.Tailnet.Name, false), id)
				created := client.RawPatch(types.MergePatchType,
					[]byte(`{"status":{"tailnet":{"deviceCreated":"`+device.Created.Add(at).UTC().Format(time.RFC3339)+`"}}}`))
				NewWithT(t).Expect(w.Client.Status().Patch(t.Context(), object, created)).To(Succeed())

				w.look(t)

				count := 0
				if want == stray {
					count = 1
				}
				w.expect(t, want, count, 0)
			})
		}
	}
}
