// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// rules are the node's whole nftables table: Services, masquerading of pods' packets out of the pod
// network or by a Service to this node's pods (possibly themselves), and marks on the tunnel's
// packets.
func (s settings) rules(services string) string {
	marks := ""
	if s.mark != "" {
		marks = fmt.Sprintf(" chain marks { type route hook output priority mangle; udp dport 8472 meta mark set %s; }\n", s.mark)
	}
	return "table ip lab\ndelete table ip lab\ntable ip lab {\n" + services + marks +
		" chain prerouting { type nat hook prerouting priority dstnat; jump services; }\n" +
		" chain output { type nat hook output priority -100; jump services; }\n" +
		fmt.Sprintf(" chain postrouting { type nat hook postrouting priority srcnat; ip saddr %[1]s ip daddr != %[1]s oifname != \"cilium_*\" masquerade; "+
			"ip saddr %[1]s ip daddr %[1]s oifname %[2]q ct status dnat masquerade; }\n}\n", s.podCIDR, bridge)
}

// serviceRules are the chain "services" and those it jumps to: one for each port, choosing among
// the endpoints at random.
func serviceRules(services []corev1.Service, endpoints []discoveryv1.EndpointSlice) string {
	var chains, jumps strings.Builder
	n := 0
	slices.SortFunc(services, func(a, b corev1.Service) int { return cmp.Compare(a.Spec.ClusterIP, b.Spec.ClusterIP) })
	for _, service := range services {
		if service.Spec.ClusterIP == "" || service.Spec.ClusterIP == corev1.ClusterIPNone {
			continue
		}
		for _, port := range service.Spec.Ports {
			targets := targetsOf(service, port, endpoints)
			if len(targets) == 0 {
				continue
			}
			n++
			protocol := strings.ToLower(string(port.Protocol))
			fmt.Fprintf(&jumps, "  ip daddr %s %s dport %d goto s%d\n", service.Spec.ClusterIP, protocol, port.Port, n)
			chains.WriteString(choice(n, protocol, targets))
		}
	}
	return chains.String() + " chain services {\n" + jumps.String() + " }\n"
}

// choice is a chain sending to one of the targets.
func choice(n int, protocol string, targets []string) string {
	var out, choices strings.Builder
	for i, target := range targets {
		fmt.Fprintf(&out, " chain s%d_%d { meta l4proto %s dnat to %s; }\n", n, i, protocol, target)
		fmt.Fprintf(&choices, "%d : goto s%d_%d, ", i, n, i)
	}
	fmt.Fprintf(&out, " chain s%d { numgen random mod %d vmap { %s }; }\n", n, len(targets), strings.TrimSuffix(choices.String(), ", "))
	return out.String()
}

// targetsOf are the address:port pairs ready to serve a port.
func targetsOf(service corev1.Service, port corev1.ServicePort, endpoints []discoveryv1.EndpointSlice) []string {
	var targets []string
	for _, slice := range endpoints {
		if slice.Namespace != service.Namespace || slice.Labels[discoveryv1.LabelServiceName] != service.Name || slice.AddressType != discoveryv1.AddressTypeIPv4 {
			continue
		}
		for _, p := range slice.Ports {
			if p.Port == nil || (p.Name != nil && *p.Name != port.Name) {
				continue
			}
			for _, e := range slice.Endpoints {
				if e.Conditions.Ready == nil || *e.Conditions.Ready {
					targets = append(targets, fmt.Sprintf("%s:%d", e.Addresses[0], *p.Port))
				}
			}
		}
	}
	slices.Sort(targets)
	return slices.Compact(targets)
}
