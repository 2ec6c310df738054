// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	inmemoryruntime "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/runtime"
	"sigs.k8s.io/cluster-api/util/certs"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// member is a node of a workload cluster, as the cluster knows it.
type member struct {
	name         string
	instance     string // OCID
	providerID   string
	address      string // tailnet address
	version      string // kubelet's
	architecture string
	controlPlane bool
	taints       []corev1.Taint
	// agent tells whether capom-update is on the node; updating is when it last began.
	agent    bool
	updating time.Time

	// reachable tells whether the tailnet routes the endpoint to this node now;
	// nil for workers.
	reachable func() bool

	// running is false from the moment the instance stops; since is the time of its last change.
	running bool
	since   time.Time
	// lost is set once the node was declared unreachable.
	lost bool
}

// cluster is one workload cluster: its objects in memory, its members, and the
// endpoint it is reached at.
type cluster struct {
	address string // host:port
	group   string // resource group of the in-memory store
	manager inmemoryruntime.Manager
	store   inmemoryruntime.Client
	timings Timings
	log     logr.Logger
	// endpoint serves the API server and etcd of whichever control plane holds
	// the address.
	endpoint *endpoint

	mu          sync.Mutex
	initialised bool
	kubernetes  authority
	etcd        authority
	caPEM       string
	serving     *tls.Certificate
	etcdServing map[string]*tls.Certificate
	members     map[string]*member
	holder      string    // control plane that holds the endpoint
	vacant      time.Time // since when nobody does
}

func newCluster(address string, m inmemoryruntime.Manager, timings Timings, log logr.Logger) *cluster {
	m.AddResourceGroup(address)
	c := &cluster{
		address: address, group: address, manager: m, store: m.GetResourceGroup(address).GetClient(), timings: timings,
		log: log, etcdServing: map[string]*tls.Certificate{}, members: map[string]*member{},
	}
	c.endpoint = &endpoint{address: address, handler: newAPIHandler(c, m, log), tls: &tls.Config{
		MinVersion:     tls.VersionTLS12,
		ClientAuth:     tls.RequestClientCert,
		GetCertificate: c.certificate,
	}}
	return c
}

// certificate chooses the certificate to serve: a client asking for an etcd pod by name came
// through a port-forward, to this member or, when it is not running, nowhere.
func (c *cluster) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	node, ok := strings.CutPrefix(hello.ServerName, componentEtcd+"-")
	if !ok {
		return c.serving, nil
	}
	if m := c.members[node]; m == nil || !m.running || c.etcdServing[node] == nil {
		return nil, fmt.Errorf("no etcd member runs on node %q", node)
	}
	return c.etcdServing[node], nil
}

func (c *cluster) ca() authority {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kubernetes
}

func (c *cluster) etcdCA() authority {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.etcd
}

// initialise is `kubeadm init`: it makes the cluster with its first member.
func (c *cluster) initialise(ctx context.Context, run kubeadmRun, m member) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.initialised {
		return errors.New("kubeadm init: the control plane endpoint already belongs to a cluster")
	}
	host, _, err := net.SplitHostPort(c.address)
	if err != nil {
		return fmt.Errorf("kubeadm init: %w", err)
	}
	serving, err := run.kubernetes.issue("kube-apiserver",
		[]string{"localhost", "kubernetes", "kubernetes.default.svc", m.name}, net.ParseIP(host), net.ParseIP(m.address))
	if err != nil {
		return fmt.Errorf("kubeadm init: %w", err)
	}
	c.kubernetes, c.etcd, c.serving = run.kubernetes, run.etcd, serving
	c.caPEM = string(certs.EncodeCertPEM(run.kubernetes.cert))
	for _, object := range initialObjects(run.clusterConfiguration, c.caPEM, c.address) {
		if err := c.store.Create(ctx, object); err != nil {
			return fmt.Errorf("kubeadm init: create %T %s: %w", object, object.GetName(), err)
		}
	}
	if err := c.addLocked(ctx, m); err != nil {
		return fmt.Errorf("kubeadm init: %w", err)
	}
	c.initialised = true
	return nil
}

// join is `kubeadm join` of a control plane or worker.
func (c *cluster) join(ctx context.Context, run kubeadmRun, m member) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.initialised {
		return errUnreachable
	}
	if m.controlPlane && (!run.kubernetes.equal(c.kubernetes) || !run.etcd.equal(c.etcd)) {
		return refusal("kubeadm join: the certificates in the user data are not those of the cluster")
	}
	if err := c.checkSkewLocked(m); err != nil {
		return err
	}
	if err := c.addLocked(ctx, m); err != nil {
		return fmt.Errorf("kubeadm join: %w", err)
	}
	return nil
}

// addLocked makes the API objects of a new member.
func (c *cluster) addLocked(ctx context.Context, m member) error {
	if old := c.members[m.name]; old != nil && old.running && old.instance != m.instance {
		return refusal("a node named %s already runs in the cluster", m.name)
	}
	node := nodeObject(m)
	if err := c.store.Create(ctx, node); apierrors.IsAlreadyExists(err) {
		return refusal("a Node named %s already exists in the cluster", m.name)
	} else if err != nil {
		return fmt.Errorf("register the Node: %w", err)
	}
	if m.controlPlane {
		if err := c.addStaticPodsLocked(ctx, m); err != nil {
			return err
		}
	}
	m.running, m.since = true, time.Now()
	c.members[m.name] = &m
	return nil
}

func (c *cluster) addStaticPodsLocked(ctx context.Context, m member) error {
	serving, err := c.etcd.issue(podName(componentEtcd, m.name),
		[]string{"localhost", podName(componentEtcd, m.name), m.name}, net.ParseIP(m.address))
	if err != nil {
		return err
	}
	for _, component := range staticPods {
		pod := staticPod(component, m)
		if component == componentEtcd {
			if err := c.annotateEtcd(ctx, pod); err != nil {
				return err
			}
		}
		if err := c.store.Create(ctx, pod); err != nil {
			return fmt.Errorf("start %s: %w", pod.Name, err)
		}
	}
	c.etcdServing[m.name] = serving
	return nil
}

// resume is a known node's boot: kubelet starts again and reports.
func (c *cluster) resume(ctx context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[name]
	if m == nil {
		return refusal("the Node %s was deleted from the cluster", name)
	}
	m.running, m.lost, m.since = true, false, time.Now()
	return c.reportLocked(ctx, m)
}

// stop is the end of a node's heartbeat.
func (c *cluster) stop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.members[name]; m != nil && m.running {
		m.running, m.since = false, time.Now()
	}
}

// apiVersion is the answering API server's version: the oldest one's, since any may answer.
func (c *cluster) apiVersion() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.apiVersionLocked()
}

// secret returns a Secret of kube-system, nil when there is none.
func (c *cluster) secret(ctx context.Context, name string) *corev1.Secret {
	s := &corev1.Secret{}
	if err := c.store.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: name}, s); err != nil {
		return nil
	}
	return s
}
