// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// host is the node's root in the agent's pod.
	host     = "/host"
	conflist = host + "/etc/cni/net.d/05-lab.conflist"
	interval = 2 * time.Second
)

// settings come from our Cilium values, by way of the pod's environment.
type settings struct {
	node string
	// api is the control plane's endpoint: without kube-proxy no Service address leads to it yet.
	api     string
	native  bool
	mtu     int
	podCIDR string
	// mark is put on the tunnel's packets, as Cilium puts identities; empty for none.
	mark string
}

func readSettings() (settings, error) {
	s := settings{node: os.Getenv("NODE_NAME"), podCIDR: os.Getenv("POD_CIDR"), mark: os.Getenv("MARK"),
		api:    "https://" + net.JoinHostPort(os.Getenv("K8S_SERVICE_HOST"), os.Getenv("K8S_SERVICE_PORT")),
		native: os.Getenv("ROUTING_MODE") == "native"}
	var err error
	if s.mtu, err = strconv.Atoi(os.Getenv("MTU")); err != nil {
		return s, fmt.Errorf("MTU: %w", err)
	}
	return s, nil
}

// agent keeps the node's pod network and Services as the cluster specifies them.
func agent(ctx context.Context) error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	c, err := newClient(s.api)
	if err != nil {
		return err
	}
	var ready atomic.Bool
	go health(&ready)
	applied := ""
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if applied, err = s.reconcile(ctx, c, applied); err != nil {
			log.Print(err)
		} else {
			ready.Store(true)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func newClient(api string) (client.Client, error) {
	const account = "/var/run/secrets/kubernetes.io/serviceaccount/"
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), discoveryv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	return client.New(&rest.Config{Host: api, BearerTokenFile: account + "token", Timeout: 10 * time.Second,
		TLSClientConfig: rest.TLSClientConfig{CAFile: account + "ca.crt"}}, client.Options{Scheme: scheme})
}

// health answers kubelet's readiness probe.
func health(ready *atomic.Bool) {
	server := &http.Server{Addr: "127.0.0.1:9879", ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	log.Print(server.ListenAndServe())
}

// reconcile applies the cluster's state, unless it equals the last one, and returns it.
func (s settings) reconcile(ctx context.Context, c client.Client, applied string) (string, error) {
	var nodes corev1.NodeList
	var services corev1.ServiceList
	var slices discoveryv1.EndpointSliceList
	for _, list := range []client.ObjectList{&nodes, &services, &slices} {
		if err := c.List(ctx, list); err != nil {
			return applied, fmt.Errorf("ask the API server: %w", err)
		}
	}
	own, peers, err := s.nodes(nodes.Items)
	if err != nil {
		return applied, err
	}
	rules := s.rules(serviceRules(services.Items, slices.Items))
	_, missing := net.InterfaceByName(tunnel)
	routes := s.routes(own, peers, missing == nil)
	wanted := rules + strings.Join(routes, "\n")
	if wanted == applied {
		return applied, nil
	}
	if err := apply(ctx, rules, "nft", "-f", "-"); err != nil {
		return applied, err
	}
	for _, line := range routes {
		if err := apply(ctx, "", strings.Fields(line)...); err != nil {
			return applied, err
		}
	}
	return wanted, writeFile(conflist, s.conflist(own.cidr))
}

// apply runs a program of the node.
func apply(ctx context.Context, input string, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stdin = strings.NewReader(input)
	if err := inHost(cmd); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// writeFile replaces a file atomically: no reader sees half of it.
func writeFile(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
