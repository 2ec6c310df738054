// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package phases_test

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// stored is an API server with an OCIAccount that is Ready, and that account.
func stored(t *testing.T) (client.Client, *infrav1.OCIAccount) {
	t.Helper()
	g := NewWithT(t)
	scheme, err := helpers.NewScheme()
	g.Expect(err).NotTo(HaveOccurred())
	account := &infrav1.OCIAccount{ObjectMeta: metav1.ObjectMeta{Name: "alpha", Labels: map[string]string{clusterv1.WatchLabel: "mine"}}}
	report.Set(account, report.OK(infrav1.CredentialsValidCondition))
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(account).WithStatusSubresource(account).Build()
	g.Expect(c.Get(t.Context(), client.ObjectKeyFromObject(account), account)).To(Succeed())
	return c, account
}

func TestAnObjectIsReconciledByTheManagerOfItsLabel(t *testing.T) {
	for name, test := range map[string]struct {
		name, filter string
		want         bool
	}{
		"there is no filter":          {"alpha", "", true},
		"the label is this manager's": {"alpha", "mine", true},
		"the label is another's":      {"alpha", "theirs", false},
		"the object is gone":          {"bravo", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, _ := stored(t)
			ours, err := phases.Get(t.Context(), c, client.ObjectKey{Name: test.name}, &infrav1.OCIAccount{}, test.filter)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(ours).To(Equal(test.want))
		})
	}
}

func TestWhatAPassFoundIsWrittenAndTold(t *testing.T) {
	g := NewWithT(t)
	c, account := stored(t)
	recorder := events.NewFakeRecorder(10)
	saver, err := phases.NewSaver(c, recorder, account, report.Types(infrav1.CredentialsValidCondition))
	g.Expect(err).NotTo(HaveOccurred())

	report.Set(account, report.NotOK(infrav1.CredentialsValidCondition, infrav1.SecretNotFoundReason, "no Secret"))
	failed := errors.New("the phase failed")
	g.Expect(saver.Save(t.Context(), newScope(), failed)).To(MatchError(failed))

	g.Expect(recorder.Events).To(Receive(ContainSubstring("Warning SecretNotFound no Secret")))
	written := &infrav1.OCIAccount{}
	g.Expect(c.Get(t.Context(), client.ObjectKeyFromObject(account), written)).To(Succeed())
	g.Expect(helpers.ConditionsOf(written)).To(ConsistOf("CredentialsValid False SecretNotFound", "Ready False SecretNotFound"))
}

func TestWhatIsGoneIsNotWritten(t *testing.T) {
	g := NewWithT(t)
	c, account := stored(t)
	saver, err := phases.NewSaver(c, nil, account, report.Types(infrav1.CredentialsValidCondition))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Delete(t.Context(), account.DeepCopy())).To(Succeed())

	report.Set(account, report.NotOK(infrav1.CredentialsValidCondition, infrav1.SecretNotFoundReason, "no Secret"))
	account.Labels = nil

	g.Expect(saver.Save(t.Context(), newScope(), nil)).To(Succeed())
}
