// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Instance describes a simulated OCI instance to a booter.
type Instance struct {
	// ID is the instance's OCID.
	ID string
	// Name is its display name and its host name.
	Name string
	// Architecture is amd64 or arm64.
	Architecture string
	// UserData is the value of the metadata key user_data, base64.
	UserData string
}

// node is one instance from its first boot to its termination.
type node struct {
	instance Instance
	booter   *Booter

	// power is held while the node is switched on or off.
	power  sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	console []string

	// The content of the node's disk: it outlives a stop.
	device  string // tailnet device
	address string // its tailnet address
	cluster *cluster
	name    string // Kubernetes node name, once bootstrapped
}

// start boots the node, after the end of a former run, until ctx ends.
func (n *node) start(ctx context.Context) {
	n.power.Lock()
	defer n.power.Unlock()
	n.offLocked()
	ctx, n.cancel = context.WithCancel(ctx)
	stopWithBooter := context.AfterFunc(n.booter.ctx, n.cancel)
	done := make(chan struct{})
	n.done = done
	go func() {
		defer close(done)
		defer stopWithBooter()
		n.run(ctx)
	}()
}

// stop switches the node off and waits for its end.
func (n *node) stop() {
	n.power.Lock()
	defer n.power.Unlock()
	n.offLocked()
}

func (n *node) offLocked() {
	if n.cancel == nil {
		return
	}
	n.cancel()
	<-n.done
	n.cancel = nil
}

func (n *node) run(ctx context.Context) {
	if err := n.boot(ctx); err != nil {
		if ctx.Err() == nil {
			n.say("%v", err)
		}
	}
	<-ctx.Done()
	if n.cluster != nil && n.name != "" {
		n.cluster.stop(n.name)
	}
	if n.device != "" {
		n.complain(n.booter.tailnet.SetOnline(n.device, false))
	}
}

func (n *node) boot(ctx context.Context) error {
	if err := sleep(ctx, n.booter.timings.Boot); err != nil {
		return err
	}
	config, err := readUserData(n.instance)
	if err != nil {
		return fmt.Errorf("cloud-init: %w", err)
	}
	if err := n.joinTailnet(ctx, config); err != nil {
		return err
	}
	if n.name != "" {
		return n.resume(ctx)
	}
	return n.bootstrap(ctx, config)
}

// joinTailnet registers the device once; afterwards its state file is its identity. Like the join
// unit of a real node it tries for as long as the node runs, since the key can be repaired from
// outside but the node cannot.
func (n *node) joinTailnet(ctx context.Context, config nodeConfig) error {
	if n.device != "" {
		if err := n.booter.tailnet.SetOnline(n.device, true); err != nil {
			return fmt.Errorf("tailscale: the node is logged out: %w", err)
		}
		return nil
	}
	for attempt := 1; ; attempt++ {
		device, err := n.booter.tailnet.Register(config.authKey, config.hostname)
		if err == nil {
			n.device, n.address = device.ID, device.IPv4.String()
			n.say("tailscale: joined the tailnet as %s", n.address)
			return nil
		}
		n.say("tailscale: attempt %d to join the tailnet failed: %v", attempt, err)
		if err := sleep(ctx, n.booter.timings.Retry); err != nil {
			return err
		}
	}
}

func (n *node) bootstrap(ctx context.Context, config nodeConfig) error {
	run, err := parseBootstrapData(config.bootstrap, map[string]string{
		"instance_id": n.instance.ID, "local_hostname": config.hostname, "hostname": config.hostname,
		"provider_id": config.providerID,
	})
	if err != nil {
		return fmt.Errorf("cloud-init: %w", err)
	}
	if err := config.check(run); err != nil {
		return err
	}
	m := n.member(config, run)
	if run.initialise {
		return n.initialise(ctx, config, run, m)
	}
	return n.join(ctx, config, run, m)
}

func (n *node) member(config nodeConfig, run kubeadmRun) member {
	m := member{
		name: run.nodeName, instance: n.instance.ID, providerID: config.providerID, address: n.address,
		version: config.kubernetesVersion, architecture: n.instance.Architecture,
		controlPlane: run.controlPlane, taints: run.taints, agent: config.agent,
	}
	if m.name == "" {
		m.name = config.hostname
	}
	if run.controlPlane {
		device, tailnet, balanced := n.device, n.booter.tailnet, n.booter.balanced
		m.reachable = func() bool {
			if !config.vip.IsValid() {
				return balanced(m.instance)
			}
			primary, ok := tailnet.PrimaryRouter(config.vip)
			return ok && primary.ID == device
		}
	}
	return m
}

// initialise runs `kubeadm init`. The first control plane holds the VIP before
// there is an API server, since kubeadm itself talks to it.
func (n *node) initialise(ctx context.Context, config nodeConfig, run kubeadmRun, m member) error {
	if err := run.checkInit(config.kubernetesVersion); err != nil {
		return err
	}
	n.cluster = n.booter.cluster(run.endpoint)
	n.advertise(config)
	if err := sleep(ctx, n.booter.timings.Init); err != nil {
		return err
	}
	if err := n.cluster.initialise(ctx, run, m); err != nil {
		return err
	}
	n.name = m.name
	n.say("kubeadm init: the control plane has initialised successfully")
	return nil
}

// join runs `kubeadm join`: it waits for the API server and its token for as long as kubeadm's
// discovery timeout.
func (n *node) join(ctx context.Context, config nodeConfig, run kubeadmRun, m member) error {
	deadline := time.Now().Add(n.booter.timings.DiscoveryTimeout)
	said := ""
	for {
		err := n.tryJoin(ctx, run, m)
		if err == nil {
			break
		}
		var refused *refusalError
		if ctx.Err() != nil || errors.As(err, &refused) || time.Now().After(deadline) {
			return err
		}
		if said != err.Error() {
			said = err.Error()
			n.say("kubeadm join: %v; trying again", err)
		}
		if err := sleep(ctx, n.booter.timings.Retry); err != nil {
			return err
		}
	}
	n.name = m.name
	if run.controlPlane {
		n.advertise(config)
	}
	n.say("kubeadm join: this node has joined the cluster")
	return nil
}

func (n *node) tryJoin(ctx context.Context, run kubeadmRun, m member) error {
	// The endpoint may have got another cluster since the last attempt.
	n.cluster = n.booter.cluster(run.endpoint)
	if err := n.cluster.discover(ctx, run); err != nil {
		return err
	}
	if err := sleep(ctx, n.booter.timings.Join); err != nil {
		return err
	}
	return n.cluster.join(ctx, run, m)
}

func (n *node) resume(ctx context.Context) error {
	if err := n.cluster.resume(ctx, n.name); err != nil {
		return fmt.Errorf("kubelet: %w", err)
	}
	n.say("kubelet: reporting again")
	return nil
}

// advertise offers the VIP to the tailnet.
func (n *node) advertise(config nodeConfig) {
	if config.vip.IsValid() {
		n.complain(n.booter.tailnet.Advertise(n.device, config.vip))
	}
}

// complain reports on the console that the tailnet no longer knows the device: a node can do no
// more about it.
func (n *node) complain(err error) {
	if err != nil {
		n.say("tailscale: %v", err)
	}
}

func (n *node) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	n.mu.Lock()
	n.console = append(n.console, line)
	n.mu.Unlock()
	n.booter.log.V(1).Info("Console of a simulated instance", "instance", n.instance.Name, "line", line)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
