// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package deployment

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/process"
)

// managerUser is the manager's user at the API server.
const managerUser = "system:serviceaccount:" + ownNamespace + ":capom-manager"

// auditPolicy has the API server record the manager's requests.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: ["` + managerUser + `"]}
- level: None
`

// server is a real API server with RBAC and an audit log.
type server struct {
	*helpers.Environment
	hooks envtest.WebhookInstallOptions
	audit string
}

func newServer(t *testing.T) *server {
	t.Helper()
	g := NewWithT(t)
	crds, err := helpers.CRDs()
	g.Expect(err).NotTo(HaveOccurred())
	s := &server{audit: filepath.Join(t.TempDir(), "audit.log")}
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	g.Expect(os.WriteFile(policy, []byte(auditPolicy), 0o600)).To(Succeed())
	control := &envtest.Environment{CRDs: crds, ControlPlaneStartTimeout: 2 * time.Minute, ControlPlaneStopTimeout: time.Minute}
	control.ControlPlane.GetAPIServer().Configure().
		Append("audit-policy-file", policy).Append("audit-log-path", s.audit).Append("audit-log-mode", "blocking")
	g.Expect(ports.ForServer(t.Context(), control)).To(Succeed())
	config, err := control.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(control.Stop()).To(Succeed()) })
	scheme, err := helpers.NewScheme()
	g.Expect(err).NotTo(HaveOccurred())
	config = rest.CopyConfig(config)
	config.QPS = -1
	c, err := client.New(config, client.Options{Scheme: scheme})
	g.Expect(err).NotTo(HaveOccurred())
	s.Environment = &helpers.Environment{Config: config, Client: c, Scheme: scheme}
	return s
}

// apply applies the objects, and fails the test for a field unknown to the API server.
// cert-manager's kinds are not installed; webhooks are directed at a local port.
func (s *server) apply(t *testing.T, objects []unstructured.Unstructured) {
	t.Helper()
	g := NewWithT(t)
	strict := client.WithFieldValidation(s.Client, metav1.FieldValidationStrict)
	for _, object := range objects {
		switch {
		case object.GroupVersionKind().Group == "cert-manager.io":
		case object.GetKind() == "ValidatingWebhookConfiguration":
			hook := find[admissionregistrationv1.ValidatingWebhookConfiguration](t, objects, object.GetKind(), object.GetName())
			port, err := ports.Reserve(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			s.hooks = envtest.WebhookInstallOptions{
				ValidatingWebhooks: []*admissionregistrationv1.ValidatingWebhookConfiguration{&hook},
				LocalServingHost:   "127.0.0.1", LocalServingPort: port,
			}
			g.Expect(s.hooks.PrepWithoutInstalling()).To(Succeed())
			g.Expect(s.hooks.Install(s.Config)).To(Succeed())
			t.Cleanup(func() { _ = s.hooks.Cleanup() })
		default:
			err := strict.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object.DeepCopy()),
				client.FieldOwner("kubectl"), client.ForceOwnership)
			g.Expect(err).NotTo(HaveOccurred(), "%s %s", object.GetKind(), object.GetName())
		}
	}
	s.awaitRBAC(t)
}

// awaitRBAC waits until the API server decides by all roles and bindings made so far. Its
// authorizer reads each of the four kinds through a watch of its own, which lags behind writes but
// keeps their order: who is allowed by the last of each kind is allowed by all before.
func (s *server) awaitRBAC(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	const namespace = "default"
	meta := metav1.ObjectMeta{GenerateName: "last-", Namespace: namespace}
	rules := []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"secrets"}}}
	role, clusterRole := &rbacv1.Role{ObjectMeta: meta, Rules: rules}, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}
	clusterRole.Namespace = ""
	s.Create(t, role, clusterRole)
	subject := func(name string) []rbacv1.Subject {
		return []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}}
	}
	s.Create(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role.Name}, Subjects: subject(role.Name),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
	}, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: clusterRole.Name}, Subjects: subject(clusterRole.Name),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole.Name},
	})
	g.Eventually(func() bool {
		return s.may(t, role.Name, namespace, "get", "secrets") && s.may(t, clusterRole.Name, "", "get", "secrets")
	}).WithTimeout(time.Minute).Should(BeTrue(), "the authorizer knows the last roles and bindings")
}

// manager runs the manager as its service account.
type manager struct {
	*process.Process
	kubeconfig, diagnostics, token string
}

func (s *server) startManager(t *testing.T, args ...string) *manager {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	binary := filepath.Join(dir, "manager")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = "../.."
	out, err := build.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), "%s", out)

	m := &manager{kubeconfig: filepath.Join(dir, "kubeconfig")}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: "capom-manager"}}
	request := &authenticationv1.TokenRequest{}
	g.Expect(s.Client.SubResource("token").Create(t.Context(), account, request)).To(Succeed())
	m.token = request.Status.Token
	const name = "manager"
	g.Expect(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: s.Config.Host, CertificateAuthorityData: s.Config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {Token: m.token}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}, m.kubeconfig)).To(Succeed())
	health, err := ports.Address(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	m.diagnostics, err = ports.Address(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	m.Process, err = process.Start(dir, name, []string{"KUBECONFIG=" + m.kubeconfig, "POD_NAMESPACE=" + ownNamespace}, binary,
		append([]string{
			"--webhook-port=" + strconv.Itoa(s.hooks.LocalServingPort), "--webhook-cert-dir=" + s.hooks.LocalServingCertDir,
			"--health-addr=" + health, "--diagnostics-address=" + m.diagnostics, "--leader-elect",
			"--poll-interval=1s", "--progress-interval=100ms", "--leader-elect-retry-period=200ms",
		}, args...)...)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		m.Stop()
		if t.Failed() {
			log, _ := os.ReadFile(m.Log)
			lines := strings.Split(string(log), "\n")
			t.Logf("the manager's last words:\n%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	})
	g.Expect(m.WaitReady(t.Context(), health)).To(Succeed())
	return m
}

// right is something allowed by a rule of RBAC.
type right struct{ group, resource, verb string }

type rights map[right]bool

// uses tells whether a right was used. One way to read is as good as another: the right to list
// includes reading each, and caches list or, where the API server can stream the initial state,
// only watch.
func (r rights) uses(wanted right) bool {
	reads := []string{"get", "list", "watch"}
	if !slices.Contains(reads, wanted.verb) {
		return r[wanted]
	}
	return slices.ContainsFunc(reads, func(verb string) bool { return r[right{wanted.group, wanted.resource, verb}] })
}

// requests are the manager's, allowed and forbidden.
func (s *server) requests(t *testing.T) (made rights, forbidden []string) {
	t.Helper()
	g := NewWithT(t)
	log, err := os.ReadFile(s.audit)
	g.Expect(err).NotTo(HaveOccurred())
	made = rights{}
	for line := range bytes.Lines(log) {
		var event struct {
			Verb, RequestURI string
			ObjectRef        struct{ Resource, Subresource, APIGroup string }
			ResponseStatus   struct{ Code int }
		}
		g.Expect(json.Unmarshal(line, &event)).To(Succeed())
		if event.ResponseStatus.Code == 403 {
			forbidden = append(forbidden, event.Verb+" "+event.RequestURI)
		}
		resource := event.ObjectRef.Resource
		if event.ObjectRef.Subresource != "" {
			resource += "/" + event.ObjectRef.Subresource
		}
		made[right{event.ObjectRef.APIGroup, resource, event.Verb}] = true
	}
	g.Expect(made).NotTo(BeEmpty())
	slices.Sort(forbidden)
	return made, slices.Compact(forbidden)
}

// unused are rights in the manager's roles without a request.
func unused(t *testing.T, objects []unstructured.Unstructured, made rights) []string {
	t.Helper()
	var out []string
	for _, object := range objects {
		if !strings.HasSuffix(object.GetKind(), "Role") || strings.HasPrefix(object.GetName(), "capom-aggregate") {
			continue
		}
		role := find[rbacv1.ClusterRole](t, []unstructured.Unstructured{object}, object.GetKind(), object.GetName())
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						if !made.uses(right{group, resource, verb}) {
							out = append(out, strings.TrimSpace(verb+" "+resource+" "+group))
						}
					}
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
