// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package podnetwork

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Seen is what a probe answers: its node, empty outside pods, and the address it is asked from.
type Seen struct {
	Node   string
	Source netip.Addr
}

// ParseSeen reads a probe's answer.
func ParseSeen(answer string) (Seen, error) {
	node, source, found := strings.Cut(strings.TrimSuffix(answer, "\n"), " ")
	from, err := netip.ParseAddrPort(source)
	if !found || err != nil {
		return Seen{}, fmt.Errorf("%q is no answer of a probe", answer)
	}
	return Seen{node, from.Addr().Unmap()}, nil
}

// See has a pod ask a probe by a URL.
func (p *Probes) See(ctx context.Context, from corev1.Pod, address string) (Seen, error) {
	body, err := p.Get(ctx, from, address)
	if err != nil {
		return Seen{}, err
	}
	return ParseSeen(body)
}

// Get has a pod get a URL.
func (p *Probes) Get(ctx context.Context, from corev1.Pod, address string) (string, error) {
	a, err := p.Ask(ctx, from, "ask", "url", address)
	switch {
	case err != nil:
		return "", err
	case a.Error != "":
		return "", errors.New(a.Error)
	}
	value, _ := a.Value.(map[string]any)
	body, _ := value["body"].(string)
	return body, nil
}
