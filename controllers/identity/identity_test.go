// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestAnObjectsIdentity(t *testing.T) {
	tables := []struct {
		world      string
		annotation string
		expect     string
	}{
		{"an object never seen before", "", "new-uid"},
		{"a moved object", "default/mesh/first-uid", "first-uid"},
		{"a copy of another object", "default/other/first-uid", "new-uid"},
		{"a copy in another namespace", "fleet/mesh/first-uid", "new-uid"},
		{"nonsense", "default/mesh/a/b", "new-uid"},
	}
	for _, tt := range tables {
		t.Run(tt.world, func(t *testing.T) {
			object := &infrav1.OCIMeshCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "mesh", UID: "new-uid"}}
			if tt.annotation != "" {
				object.Annotations = map[string]string{infrav1.IdentityAnnotation: tt.annotation}
			}
			NewWithT(t).Expect(Of(object)).To(Equal(tt.expect))
		})
	}
}

func TestFinalizerAndIdentityAreWrittenOnceAndTogether(t *testing.T) {
	g := NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(infrav1.AddToScheme(scheme)).To(Succeed())
	object := &infrav1.OCIMeshCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "mesh", UID: "first-uid"}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(object).Build()

	written, err := Ensure(t.Context(), c, object, "a.example.com/finalizer", map[string]string{"decided": "once"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(written).To(BeTrue())
	g.Expect(object.Finalizers).To(ConsistOf("a.example.com/finalizer"))
	g.Expect(Of(object)).To(Equal("first-uid"))
	g.Expect(object.Annotations).To(HaveKeyWithValue("decided", "once"))

	written, err = Ensure(t.Context(), c, object, "a.example.com/finalizer", map[string]string{"decided": "anew"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(written).To(BeFalse())
	g.Expect(object.Annotations).To(HaveKeyWithValue("decided", "once"))
}

func TestWhatIsMadeInAClusterHasItsTagsToo(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	cluster := &infrav1.OCIMeshCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "blue", UID: "cluster"}}
	owner := OfMachine(&infrav1.OCIMeshMachine{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "worker", UID: "machine"}})
	g.Expect(TagsIn(cluster, owner)).To(Equal(owner.TagsWith(OfCluster(cluster))))
	g.Expect(TagsIn(nil, owner)).To(Equal(owner.Tags()), "the cluster is gone")
}
