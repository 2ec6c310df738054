// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// Event is a step of a machine on its way to a node.
type Event struct {
	Name string
	At   time.Time
}

// sentinel is written by Cluster API's bootstrap provider when kubeadm is done.
const sentinel = "/run/cluster-api/bootstrap-success.complete"

// Timeline is how a machine became a node, in order. Times of Kubernetes'
// objects are whole seconds.
func (c *Cluster) Timeline(ctx context.Context, m watch.Machine) ([]Event, error) {
	object := &clusterv1.Machine{}
	if err := c.world.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: m.Name}, object); err != nil {
		return nil, fmt.Errorf("look at Machine %s: %w", m.Name, err)
	}
	events := []Event{{"Machine created", object.CreationTimestamp.Time}}
	booted := c.world.Machine(m.Instance)
	if booted == nil {
		return nil, fmt.Errorf("%s has no machine", m.Name)
	}
	for _, e := range []struct{ name, command string }{
		{"systemd starts", "journalctl -b -o short-unix --no-pager -q | head -n 1 | cut -d' ' -f1"},
		{"cloud-init starts", "journalctl -b -u cloud-init-local -o short-unix --no-pager -q | head -n 1 | cut -d' ' -f1"},
		{"on the tailnet, kubeadm may run", "journalctl -b -u capom-join -o short-unix --no-pager -q | tail -n 1 | cut -d' ' -f1"},
		{"kubeadm is done", "stat -c %.Y " + sentinel},
	} {
		out, err := booted.Exec(ctx, "sh", "-c", e.command)
		if err != nil {
			return nil, err
		}
		seconds, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
		if err != nil {
			return nil, fmt.Errorf("when %s: %w", e.name, err)
		}
		events = append(events, Event{e.name, time.UnixMicro(int64(seconds * 1e6))})
	}
	ready, err := c.nodeReadySince(ctx, m)
	return append(events, Event{"Node is Ready", ready}), err
}

func (c *Cluster) nodeReadySince(ctx context.Context, m watch.Machine) (time.Time, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return time.Time{}, err
	}
	for _, node := range nodes {
		for _, condition := range node.Status.Conditions {
			if node.Spec.ProviderID == "oci://"+m.Instance && condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				return condition.LastTransitionTime.Time, nil
			}
		}
	}
	return time.Time{}, errors.New("the node of " + m.Name + " is not Ready")
}
