// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/strays"
)

// Names are users': the commands are whole whatever these are.
func TestTheMessageHoldsTheCommandsWhateverNamesThereAre(t *testing.T) {
	g := NewWithT(t)
	account := &infrav1.OCIAccount{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("a", 63)}}
	account.Spec.Region = "ap-chuncheon-1"
	instances := map[string]oci.Instance{}
	var found []strays.Stray
	for i := range 5 {
		id := fmt.Sprintf("ocid1.instance.oc1.ap-chuncheon-1.%s%d", strings.Repeat("x", 60), i)
		instances[id] = oci.Instance{Resource: oci.Resource{
			ID: id, DisplayName: strings.Repeat("d", 255) + "\n", Tags: map[string]string{
				infrav1.MachineUIDTag: "u", infrav1.MachineNameTag: strings.Repeat("n", 256),
			},
		}}
		found = append(found, strays.Stray{ID: id})
	}

	condition := strays.Finding{Count: 5, Found: foundMessage(account, found, len(found), instances)}.Condition()

	g.Expect(len(condition.Message)).To(BeNumerically("<=", 1024))
	g.Expect(condition.Message).NotTo(ContainSubstring("\n"))
	g.Expect(condition.Message).To(ContainSubstring("terminate --instance-id " + found[0].ID + " --profile " + account.Name + " --region ap-chuncheon-1. Found: d"))
	status := straysStatus(found, len(found), instances)
	g.Expect(len(status.Instances[0].DisplayName)).To(BeNumerically("<=", 255))
	g.Expect(len(status.Instances[0].Owner)).To(BeNumerically("<=", 256))
}

func TestTheAPIServerTakesTheLongestStatus(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	instances := map[string]oci.Instance{}
	var found []strays.Stray
	for i := range 20 {
		id := fmt.Sprintf("ocid1.instance.oc1..%s%02d", strings.Repeat("x", 233), i)
		instances[id] = oci.Instance{Resource: oci.Resource{
			ID: id, DisplayName: strings.Repeat("ü\n", 255), Tags: map[string]string{
				infrav1.MachinePoolUIDTag: "u", infrav1.MachinePoolNameTag: strings.Repeat("€", 256),
			},
		}}
		found = append(found, strays.Stray{ID: id, Since: w.now})
	}
	w.account.Status.Strays = straysStatus(found, len(found), instances)
	g.Expect(w.Client.Status().Update(t.Context(), w.account)).To(Succeed())
	env.Reload(t, w.account)
	g.Expect(w.account.Status.Strays.Instances).To(HaveLen(strays.Named))
}

func TestNothingIsAStrayOfWhichTheObjectMayNotBeLookedFor(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	w.launch(t, "worker-1", ownership.Machine("uid", w.Namespace, "worker").Tags())
	watching, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	w.r.Reader = interceptor.NewClient(watching, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
			if _, metadata := object.(*metav1.PartialObjectMetadata); metadata {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "ocimeshmachines"}, key.Name, nil)
			}
			return c.Get(ctx, key, object, opts...)
		},
	})

	w.look(t, long...)

	w.expect(t, present, 0)
}
