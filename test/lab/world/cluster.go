// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/podnetwork"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// machineShape is of amd64, like the lab's machines.
const machineShape = "VM.Standard.E5.Flex"

// UnhealthyTimeout is the time until an unready node is replaced, unless SetUnhealthyTimeout
// changes it: longer than all machines together take to reboot.
const UnhealthyTimeout = 15 * time.Minute

// ClusterOptions configure a cluster.
type ClusterOptions struct {
	// Name is also its namespace's.
	Name string
	// Flavor is a template's, empty for the default one.
	Flavor                 string
	Version                string
	ControlPlanes, Workers int
	// Installed has machines install their packages from the mirror of a user's own. Otherwise they
	// are in the image.
	Installed bool
	// Variables are more of the template's, as NAME=value.
	Variables []string
	// WithoutMachines leaves out all but the Cluster and its OCIMeshCluster.
	WithoutMachines bool
	// Change is called with each object before it is created; nil changes nothing.
	Change func(*unstructured.Unstructured) error
}

// Cluster is a workload cluster.
type Cluster struct {
	ClusterOptions

	world *World
	// member is the address of the API server to ask; the zero value stands for the VIP.
	member netip.Addr
}

// At is the cluster as one of its API servers answers for it, at the control plane's own address:
// whoever is not a node of it has no other way while its VIP does not move.
func (c *Cluster) At(member netip.Addr) *Cluster {
	at := *c
	at.member = member
	return &at
}

// CreateCluster generates a cluster as a user does, fits it for the lab's
// machines and creates it. It does not wait.
func (w *World) CreateCluster(ctx context.Context, o ClusterOptions) (*Cluster, error) {
	if err := w.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.Name}}); err != nil {
		return nil, fmt.Errorf("create the cluster's namespace: %w", err)
	}
	bootstrap := infrav1.BootstrapPreinstalled
	if o.Installed {
		bootstrap = infrav1.BootstrapInstall
	}
	variables := append([]string{
		"OCIMESH_TAILNET=" + TailnetName, "OCIMESH_WORKER_SHAPE=" + machineShape, "OCIMESH_CONTROL_PLANE_SHAPE=" + machineShape,
		"OCIMESH_BOOTSTRAP=" + string(bootstrap), "OCIMESH_NODE_STARTUP_TIMEOUT=1200", fmt.Sprintf("OCIMESH_NODE_UNHEALTHY_TIMEOUT=%.0f", UnhealthyTimeout.Seconds()),
	}, o.Variables...)
	for i := range 3 {
		variables = append(variables, fmt.Sprintf("OCIMESH_ACCOUNT_%d=%s", i+1, w.accounts[i%len(w.accounts)].Name))
	}
	objects, err := user.Generate(ctx, user.Generation{
		Clusterctl: w.Programs.Management.Clusterctl, Kubeconfig: w.Management.Kubeconfig, Release: w.Programs.Release, Dir: w.Dir,
		Name: o.Name, Namespace: o.Name, Version: o.Version, Flavor: o.Flavor, ControlPlanes: o.ControlPlanes, Workers: o.Workers,
		Environment: variables,
	})
	if err != nil {
		return nil, err
	}
	if o.WithoutMachines {
		objects = withoutMachines(objects)
	}
	for _, object := range objects {
		if err := w.fit(object, o); err != nil {
			return nil, err
		}
		if o.Change != nil {
			if err := o.Change(object); err != nil {
				return nil, err
			}
		}
	}
	return &Cluster{ClusterOptions: o, world: w}, user.Create(ctx, w.Client, objects)
}

func (w *World) fit(object *unstructured.Unstructured, o ClusterOptions) error {
	if o.Installed {
		return fitInstalled(object, w.Programs.Assets.TailscaleVersion())
	}
	return fit(object, o.Version)
}

func withoutMachines(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	var left []*unstructured.Unstructured
	for _, object := range objects {
		switch object.GetKind() {
		case "Cluster":
			unstructured.RemoveNestedField(object.Object, "spec", "controlPlaneRef")
			left = append(left, object)
		case "OCIMeshCluster":
			left = append(left, object)
		}
	}
	return left
}

// Snapshot observes the cluster.
func (c *Cluster) Snapshot(ctx context.Context) (watch.Snapshot, error) {
	return watch.Take(ctx, c.world.Client, c.Name)
}

// Config is how to reach the cluster's API server: by its VIP, as a user does, unless At says
// otherwise.
func (c *Cluster) Config(ctx context.Context) (*rest.Config, error) {
	secret := &corev1.Secret{}
	if err := c.world.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: c.Name + "-kubeconfig"}, secret); err != nil {
		return nil, fmt.Errorf("get the cluster's kubeconfig: %w", err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(secret.Data["value"])
	if err != nil {
		return nil, fmt.Errorf("read the cluster's kubeconfig: %w", err)
	}
	config.Timeout = 10 * time.Second
	if c.member.IsValid() {
		endpoint, err := url.Parse(config.Host)
		if err != nil {
			return nil, fmt.Errorf("read the cluster's kubeconfig: %w", err)
		}
		config.Host = "https://" + net.JoinHostPort(c.member.String(), endpoint.Port())
	}
	return config, nil
}

// Client is a client of the cluster's API server.
func (c *Cluster) Client(ctx context.Context) (client.Client, error) {
	config, err := c.Config(ctx)
	if err != nil {
		return nil, err
	}
	return client.New(config, client.Options{})
}

// Delete deletes the Cluster; it does not wait.
func (c *Cluster) Delete(ctx context.Context) error {
	cluster := &unstructured.Unstructured{}
	cluster.SetAPIVersion("cluster.x-k8s.io/v1beta2")
	cluster.SetKind("Cluster")
	cluster.SetNamespace(c.Name)
	cluster.SetName(c.Name)
	return client.IgnoreNotFound(c.world.Client.Delete(ctx, cluster))
}

// InstallProbes installs pods on each node that answer and ask.
func (c *Cluster) InstallProbes(ctx context.Context) error {
	workload, err := c.Client(ctx)
	if err != nil {
		return err
	}
	return podnetwork.Install(ctx, workload)
}
