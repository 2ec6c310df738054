// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab && cilium

package cluster_test

import (
	"fmt"
	"net"
	"regexp"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/scrape"
)

// discover is as much of Prometheus' discovery in Kubernetes as the fleet's jobs ask for.
func (s *suite) discover(workload client.Client, discovers map[string]any) ([]scrape.Target, error) {
	names, _, err := unstructured.NestedStringSlice(discovers, "namespaces", "names")
	if err != nil {
		return nil, err
	}
	var all []scrape.Target
	for _, namespace := range names {
		var found []scrape.Target
		switch role := discovers["role"]; role {
		case "pod":
			found, err = s.podTargets(workload, namespace)
		case "endpoints":
			found, err = s.serviceTargets(workload, namespace)
		default:
			err = fmt.Errorf("there is no discovery of role %v here", role)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// podTargets are a pod's ports, or its address where it names none.
func (s *suite) podTargets(workload client.Client, namespace string) ([]scrape.Target, error) {
	nodes := map[string]corev1.Node{}
	for _, n := range s.nodes() {
		nodes[n.Name] = n
	}
	pods := &corev1.PodList{}
	if err := workload.List(s.t.Context(), pods, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	var all []scrape.Target
	for _, pod := range pods.Items {
		for _, container := range pod.Spec.Containers {
			labels := map[string]string{
				"__meta_kubernetes_pod_name": pod.Name, "__meta_kubernetes_pod_node_name": pod.Spec.NodeName,
				"__meta_kubernetes_pod_container_name": container.Name,
			}
			describe(labels, "pod_label_", pod.Labels)
			describe(labels, "pod_annotation_", pod.Annotations)
			for name := range nodes[pod.Spec.NodeName].Labels {
				labels["__meta_kubernetes_node_labelpresent_"+sanitized(name)] = "true"
			}
			for _, port := range container.Ports {
				all = append(all, scrape.Target{Address: net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(port.ContainerPort))), Labels: labels})
			}
			if len(container.Ports) == 0 && pod.Status.PodIP != "" {
				all = append(all, scrape.Target{Address: pod.Status.PodIP, Labels: labels})
			}
		}
	}
	return all, nil
}

func (s *suite) serviceTargets(workload client.Client, namespace string) ([]scrape.Target, error) {
	slices := &discoveryv1.EndpointSliceList{}
	if err := workload.List(s.t.Context(), slices, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	var all []scrape.Target
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			labels := map[string]string{"__meta_kubernetes_service_name": slice.Labels[discoveryv1.LabelServiceName]}
			if endpoint.TargetRef != nil {
				labels["__meta_kubernetes_pod_name"] = endpoint.TargetRef.Name
			}
			for _, port := range slice.Ports {
				for _, address := range endpoint.Addresses {
					all = append(all, scrape.Target{Address: net.JoinHostPort(address, strconv.Itoa(int(*port.Port))), Labels: labels})
				}
			}
		}
	}
	return all, nil
}

func describe(labels map[string]string, kind string, of map[string]string) {
	for name, value := range of {
		labels["__meta_kubernetes_"+kind+sanitized(name)] = value
	}
}

// unnameable are letters that names of Prometheus' labels cannot have.
var unnameable = regexp.MustCompile(`[^a-zA-Z0-9_]`)

func sanitized(name string) string { return unnameable.ReplaceAllString(name, "_") }
