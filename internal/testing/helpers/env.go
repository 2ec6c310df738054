// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/index"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
)

// Environment is a real API server with the CRDs of Cluster API's core and of this provider. No
// controller runs in it, not even Kubernetes' own: owners are not garbage-collected and namespaces
// do not go away.
type Environment struct {
	// Config reaches the server as an administrator.
	Config *rest.Config
	// Client reads and writes without a cache.
	Client client.Client
	// Scheme knows all kinds.
	Scheme *k8sruntime.Scheme
}

// Run starts an Environment, stores it in env, runs the package's tests and stops it. Call it from
// TestMain:
//
//	var env *helpers.Environment
//
//	func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }
func Run(m *testing.M, env **Environment) int {
	klog.SetLogger(logr.Discard())
	ctrl.SetLogger(logr.Discard())
	server, err := start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		_ = server.Stop()
		if beside.stop != nil {
			beside.stop()
		}
	}()
	if *env, err = newEnvironment(server.Config); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Parallel tests mostly wait for simulated clouds: two cores are room for more than two of
	// them.
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// NewScheme knows Kubernetes' kinds, Cluster API's and this provider's.
func NewScheme() (*k8sruntime.Scheme, error) {
	scheme := k8sruntime.NewScheme()
	for _, add := range []func(*k8sruntime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, clusterv1.AddToScheme, bootstrapv1.AddToScheme,
		controlplanev1.AddToScheme, infrav1.AddToScheme, expv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return scheme, nil
}

func start() (*envtest.Environment, error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS is not set: run the tests by make test, or set it to what hack/binaries.sh envtest prints")
	}
	crds, err := CRDs()
	if err != nil {
		return nil, err
	}
	crds = lean(crds)
	// A fifth of an API server's work would be the collection of its garbage, and as much of a
	// test's with the race detector.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
		if err := os.Setenv("GOGC", "200"); err != nil {
			return nil, fmt.Errorf("setting the API server's environment: %w", err)
		}
	}
	server := &envtest.Environment{
		CRDs: crds, ControlPlaneStartTimeout: 2 * time.Minute, CRDInstallOptions: envtest.CRDInstallOptions{MaxTime: 2 * time.Minute},
	}
	// Two tests never fight over the API server's budget of requests.
	server.ControlPlane.GetAPIServer().Configure().Append("max-requests-inflight", "2000")
	token, remove, err := allowToken(server)
	if err != nil {
		return nil, err
	}
	defer remove()
	if err := ports.ForServer(context.Background(), server); err != nil {
		return nil, err
	}
	if _, err := server.Start(); err != nil {
		return nil, fmt.Errorf("starting the API server: %w", err)
	}
	server.Config.BearerToken, server.Config.CertData, server.Config.KeyData = token, nil, nil
	return server, nil
}

// allowToken lets an administrator in with a token. The API server would verify a client's
// certificate with each request, a fourteenth of its time. It has read the file once it has
// started.
func allowToken(server *envtest.Environment) (token string, remove func(), err error) {
	file, err := os.CreateTemp("", "capom-test-token-")
	if err != nil {
		return "", nil, fmt.Errorf("making a file for the administrator's token: %w", err)
	}
	remove = func() { _ = os.Remove(file.Name()) }
	token = rand.Text()
	_, err = fmt.Fprintf(file, "%s,administrator,administrator,system:masters\n", token)
	if err := errors.Join(err, file.Close()); err != nil {
		remove()
		return "", nil, fmt.Errorf("writing the administrator's token: %w", err)
	}
	server.ControlPlane.GetAPIServer().Configure().Append("token-auth-file", file.Name())
	return token, remove, nil
}

func newEnvironment(config *rest.Config) (*Environment, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	return &Environment{Config: config, Client: c, Scheme: scheme}, err
}

// Namespace creates a namespace of its own for the test, with labels.
func (e *Environment) Namespace(t *testing.T, labels map[string]string) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Labels: labels}}
	e.Create(t, ns)
	return ns.Name
}

// Create creates the objects, and fails the test if it cannot.
func (e *Environment) Create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := e.Client.Create(t.Context(), object); err != nil {
			t.Fatalf("creating %T %s: %s", object, object.GetName(), err)
		}
	}
}

// Manager starts a manager as the product's main does, with the controllers added by setup, and
// ends it with the test.
//
// Namespaces bound its view, so the remains of other tests cost it no time; none means all.
func (e *Environment) Manager(t *testing.T, setup func(context.Context, manager.Manager) error, namespaces ...string) manager.Manager {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	mgr, ended, err := e.startManager(ctx, e.Config, setup, namespaces)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the manager failed: %s", err)
		}
	})
	return mgr
}

// startManager starts a manager that ends with the context; ended then tells its error.
func (e *Environment) startManager(
	ctx context.Context, to *rest.Config, setup func(context.Context, manager.Manager) error, namespaces []string,
) (mgr manager.Manager, ended <-chan error, err error) {
	skip := true
	var seen map[string]ctrlcache.Config
	if len(namespaces) > 0 {
		seen = map[string]ctrlcache.Config{}
	}
	for _, namespace := range namespaces {
		seen[namespace] = ctrlcache.Config{}
	}
	mgr, err = ctrl.NewManager(to, manager.Options{
		Cache: ctrlcache.Options{DefaultNamespaces: seen},
		// The kinds are the same for all: each manager would ask for them again.
		MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return e.Client.RESTMapper(), nil },
		Scheme:         e.Scheme,
		Metrics:        metricsserver.Options{BindAddress: "0"},
		Controller:     config.Controller{SkipNameValidation: &skip, UsePriorityQueue: new(false)},
		Client:         client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("making a manager: %w", err)
	}
	if err := index.AddTo(ctx, mgr.GetFieldIndexer()); err != nil {
		return nil, nil, fmt.Errorf("indexing machines: %w", err)
	}
	if err := setup(ctx, mgr); err != nil {
		return nil, nil, fmt.Errorf("setting up controllers: %w", err)
	}
	end := make(chan error, 1)
	go func() { end <- mgr.Start(ctx) }()
	return mgr, end, nil
}
