// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package workload reaches the clusters made of machines, at their own API servers: it reads and
// annotates Nodes, reads the static pods of control planes, and drains a Node before its machine is
// changed in place. From Machines it learns of missing control planes.
package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/cluster-api/util/kubeconfig"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// timeout is of one call: a cluster that does not answer must not hold up others.
const timeout = 10 * time.Second

// Nodes are those of a cluster, as its API server has them.
type Nodes struct {
	// client is nil without a cluster.
	client typedcorev1.NodeInterface
	pods   typedcorev1.PodInterface
	// rest is for what there is no method for.
	rest rest.Interface
}

// NodesOf connects with the cluster's kubeconfig, as Cluster API keeps it.
func NodesOf(ctx context.Context, secrets client.Reader, cluster client.ObjectKey) (Nodes, error) {
	config, err := configFor(ctx, secrets, cluster)
	if err != nil {
		return Nodes{}, ofCluster(err)
	}
	nodes, err := nodesBy(config)
	if err != nil {
		return Nodes{}, ofCluster(fmt.Errorf("connecting to Cluster %s: %w", cluster.Name, err))
	}
	return nodes, nil
}

func nodesBy(config *rest.Config) (Nodes, error) {
	connected, err := typedcorev1.NewForConfig(config)
	if err != nil {
		return Nodes{}, err
	}
	return Nodes{client: connected.Nodes(), pods: connected.Pods(metav1.NamespaceSystem), rest: connected.RESTClient()}, nil
}

// configFor reads the cluster's kubeconfig, as Cluster API keeps it.
func configFor(ctx context.Context, secrets client.Reader, cluster client.ObjectKey) (*rest.Config, error) {
	text, err := kubeconfig.FromSecret(ctx, secrets, cluster)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of Cluster %s: %w", cluster.Name, err)
	}
	config, err := configOf(text)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of Cluster %s: %w", cluster.Name, err)
	}
	return config, nil
}

// configOf refuses what would have this process run a command or read its own files: whoever may
// write a Secret in one namespace must not reach what is everybody's.
func configOf(text []byte) (*rest.Config, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(text)
	if err != nil {
		// The error may quote the text, which has a key in it.
		return nil, errors.New("it is not a kubeconfig")
	}
	if config.ExecProvider != nil || config.AuthProvider != nil || config.BearerTokenFile != "" ||
		config.CAFile != "" || config.CertFile != "" || config.KeyFile != "" {
		return nil, errors.New("it names a command or a file: only data is taken")
	}
	config.Timeout = timeout
	config.UserAgent = "capom"
	return config, nil
}

// Get reads a Node.
func (n Nodes) Get(ctx context.Context, name string) (*corev1.Node, error) {
	node, err := n.client.Get(ctx, name, metav1.GetOptions{})
	return node, ofCluster(err)
}

// IsReady tells whether the Node's kubelet reports it as Ready.
func IsReady(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// Annotate sets one annotation of a Node, and leaves all else.
func (n Nodes) Annotate(ctx context.Context, name, key, value string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{key: value}}})
	if err != nil {
		return err
	}
	_, err = n.client.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	return ofCluster(err)
}
