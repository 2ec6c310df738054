// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/inplace"
)

// updateNodesLocked is capom-update on each node that has it: it brings a member to the version
// that its Node asks for, and reports. It checks what kubeadm would refuse. tailscale's version is
// reported, and is nowhere in the simulation.
func (c *cluster) updateNodesLocked(ctx context.Context) error {
	var errs []error
	for _, m := range c.members {
		if m.agent && m.running && !m.lost {
			errs = append(errs, c.updateLocked(ctx, m))
		}
	}
	return errors.Join(errs...)
}

func (c *cluster) updateLocked(ctx context.Context, m *member) error {
	node := &corev1.Node{}
	if err := c.store.Get(ctx, client.ObjectKey{Name: m.name}, node); err != nil {
		return client.IgnoreNotFound(err)
	}
	wanted := node.Annotations[infrav1.WantedVersionsAnnotation]
	said := node.Annotations[infrav1.ReportedVersionsAnnotation]
	kubernetes, _, _ := strings.Cut(wanted, " ")
	if err := c.fillVolumesLocked(ctx, node); err != nil {
		return err
	}
	report := func(state string) string { return wanted + " " + state }
	switch {
	case wanted == "" || said == report(inplace.Done):
		return nil
	case kubernetes == m.version:
		said = report(inplace.Done)
	default:
		err := c.checkUpdateLocked(ctx, m, kubernetes)
		begun := report("working running kubeadm upgrade node")
		switch {
		case err != nil:
			said = report(inplace.Failed + " " + err.Error())
		case said != begun:
			said, m.updating = begun, time.Now()
		case time.Since(m.updating) < c.timings.Join:
			return nil
		default:
			m.version, node.Status.NodeInfo.KubeletVersion = kubernetes, kubernetes
			said = report(inplace.Done)
			if err := c.replaceStaticPodsLocked(ctx, m); err != nil {
				return err
			}
		}
	}
	if said == node.Annotations[infrav1.ReportedVersionsAnnotation] {
		return nil
	}
	metav1.SetMetaDataAnnotation(&node.ObjectMeta, infrav1.ReportedVersionsAnnotation, said)
	if err := c.store.Update(ctx, node); err != nil {
		return fmt.Errorf("update Node %s: %w", m.name, err)
	}
	return nil
}

// fillVolumesLocked is capom-grow: the provider asks once OCI's volumes have the sizes.
func (c *cluster) fillVolumesLocked(ctx context.Context, node *corev1.Node) error {
	wanted := node.Annotations[infrav1.WantedVolumesAnnotation]
	if node.Annotations[infrav1.ReportedVolumesAnnotation] == wanted {
		return nil
	}
	metav1.SetMetaDataAnnotation(&node.ObjectMeta, infrav1.ReportedVolumesAnnotation, wanted)
	if err := c.store.Update(ctx, node); err != nil {
		return fmt.Errorf("update Node %s: %w", node.Name, err)
	}
	return nil
}

// checkUpdateLocked is the agent's check: a control plane goes by kubeadm-config, and a worker
// never passes the API server.
func (c *cluster) checkUpdateLocked(ctx context.Context, m *member, kubernetes string) error {
	if !inplace.KubernetesCanBecome(m.version, kubernetes) {
		return fmt.Errorf("%s cannot become %s in place", m.version, kubernetes)
	}
	if !m.controlPlane {
		if has := c.apiVersionLocked(); has != kubernetes && !inplace.KubernetesCanBecome(kubernetes, has) {
			return fmt.Errorf("the API server has %s, and kubelet must not be newer", has)
		}
		return nil
	}
	config := &corev1.ConfigMap{}
	if err := c.store.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: "kubeadm-config"}, config); err != nil {
		return err
	}
	if !strings.Contains(config.Data["ClusterConfiguration"], "kubernetesVersion: "+kubernetes+"\n") {
		return fmt.Errorf("kubeadm-config has another version than %s", kubernetes)
	}
	return nil
}

// replaceStaticPodsLocked is what kubeadm upgrade does to a control plane's components.
func (c *cluster) replaceStaticPodsLocked(ctx context.Context, m *member) error {
	if !m.controlPlane {
		return nil
	}
	pods, err := c.podsOn(ctx, m.name)
	if err != nil {
		return err
	}
	for i := range pods {
		for j := range pods[i].Spec.Containers {
			container := &pods[i].Spec.Containers[j]
			image, _, _ := strings.Cut(container.Image, ":")
			container.Image = image + ":" + m.version
		}
		if err := c.store.Update(ctx, &pods[i]); err != nil {
			return fmt.Errorf("update Pod %s: %w", pods[i].Name, err)
		}
	}
	return nil
}
