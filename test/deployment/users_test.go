// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package deployment

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func managerArgs(t *testing.T, objects []unstructured.Unstructured) []string {
	t.Helper()
	return managerOf(find[appsv1.Deployment](t, objects, "Deployment", deployment)).Args
}

// readVerbs and writeVerbs are all verbs for an object.
var (
	readVerbs  = []string{"get", "list", "watch"}
	writeVerbs = []string{"create", "delete", "deletecollection", "patch", "update"}
)

// No kube-controller-manager aggregates here: the roles are bound as they are.
func TestUsersGetWhatTheyWriteByHandAndNothingElse(t *testing.T) {
	g := NewWithT(t)
	s := newServer(t)
	s.apply(t, render(t, ""))
	team := s.Namespace(t, nil)
	for _, role := range []string{"capom-aggregate-to-view", "capom-aggregate-to-edit"} {
		s.Create(t, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: team, Name: role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: role}},
		})
	}
	s.awaitRBAC(t)
	byHand := []string{
		"ocimeshclusters", "ocimeshclustertemplates", "ocimeshmachinetemplates", "ocimeshmachinepools", "ocimeshmachinepooltemplates",
		"ocimeshremediationtemplates",
	}
	all := append([]string{"ocimeshmachines", "ocimeshmachinepoolmachines", "ocimeshremediations"}, byHand...)
	for _, question := range []struct {
		user, namespace  string
		resources, verbs []string
		allowed          bool
	}{
		{"capom-aggregate-to-view", team, all, readVerbs, true},
		{"capom-aggregate-to-view", team, all, writeVerbs, false},
		{"capom-aggregate-to-edit", team, byHand, writeVerbs, true},
		{"capom-aggregate-to-edit", team, []string{"ocimeshmachines", "ocimeshmachinepoolmachines"}, writeVerbs, false},
		{"capom-aggregate-to-edit", team, statusOf(all), writeVerbs, false},
		{"capom-aggregate-to-edit", team, finalizersOf(all), writeVerbs, false},
		{"capom-aggregate-to-edit", "default", all, writeVerbs, false},
		{"capom-aggregate-to-edit", "", []string{"ociaccounts", "tailnets"}, append(readVerbs, writeVerbs...), false},
		{"capom-aggregate-to-view", "", []string{"ociaccounts", "tailnets"}, readVerbs, false},
	} {
		for _, resource := range question.resources {
			for _, verb := range question.verbs {
				g.Expect(s.may(t, question.user, question.namespace, verb, resource)).
					To(Equal(question.allowed), "%s %s in %q as %s", verb, resource, question.namespace, question.user)
			}
		}
	}
}

func TestWhoSeesTheWholeClusterSeesAccountsAndTailnetsAndWritesThemNot(t *testing.T) {
	g := NewWithT(t)
	s := newServer(t)
	objects := render(t, "")
	s.apply(t, objects)
	for _, role := range []string{"capom-aggregate-to-view", "capom-aggregate-to-edit"} {
		s.Create(t, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "everywhere"}},
		})
	}
	s.awaitRBAC(t)
	for _, resource := range []string{"ociaccounts", "tailnets"} {
		for _, verb := range readVerbs {
			g.Expect(s.may(t, "everywhere", "", verb, resource)).To(BeTrue())
		}
		for _, verb := range writeVerbs {
			g.Expect(s.may(t, "everywhere", "", verb, resource)).To(BeFalse())
			g.Expect(s.may(t, "everywhere", "", verb, resource+"/status")).To(BeFalse())
		}
	}

	// The namespace enforces the restricted Pod Security Standard, but a Deployment is not checked
	// against it.
	template := find[appsv1.Deployment](t, objects, "Deployment", deployment).Spec.Template
	template.Namespace, template.Name = ownNamespace, "manager"
	g.Expect(s.Client.Create(t.Context(), &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}, client.DryRunAll)).To(Succeed())
	privileged := template.Spec.DeepCopy()
	privileged.HostNetwork = true
	g.Expect(s.Client.Create(t.Context(), &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: *privileged}, client.DryRunAll)).
		To(MatchError(ContainSubstring("restricted")))
}

// TestTheManagerWritesSecretsInItsOwnNamespaceOnly asks the API server rather than reading the
// roles.
func TestTheManagerWritesSecretsInItsOwnNamespaceOnly(t *testing.T) {
	g := NewWithT(t)
	s := newServer(t)
	team, other := s.Namespace(t, nil), s.Namespace(t, nil)
	s.apply(t, render(t, team, namespaced))
	for namespace, allowed := range map[string][]string{
		ownNamespace: {"get", "list", "watch", "create", "delete", "patch", "update"}, team: readVerbs, other: nil, "": nil,
	} {
		for _, verb := range append(readVerbs, writeVerbs...) {
			g.Expect(s.may(t, managerUser, namespace, verb, "secrets")).
				To(Equal(slices.Contains(allowed, verb)), "%s in %q, for one namespace", verb, namespace)
		}
	}
	s.apply(t, render(t, ""))
	for _, verb := range writeVerbs {
		for _, namespace := range []string{team, ""} {
			g.Expect(s.may(t, managerUser, namespace, verb, "secrets")).To(BeFalse(), "%s in %q", verb, namespace)
		}
	}
	g.Expect(s.may(t, managerUser, other, "get", "secrets")).To(BeTrue())
}

// may asks the API server's RBAC; an empty namespace is all of them.
func (s *server) may(t *testing.T, user, namespace, verb, resource string) bool {
	t.Helper()
	resource, subresource, _ := strings.Cut(resource, "/")
	group := "infrastructure.cluster.x-k8s.io"
	if resource == "secrets" {
		group = ""
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: subresource,
		},
	}}
	s.Create(t, review)
	return review.Status.Allowed
}

func statusOf(resources []string) []string { return subresources(resources, "status") }

func finalizersOf(resources []string) []string { return subresources(resources, "finalizers") }

func subresources(resources []string, name string) []string {
	out := make([]string, 0, len(resources))
	for _, resource := range resources {
		out = append(out, resource+"/"+name)
	}
	return out
}
