// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"slices"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
)

const (
	ownPath = "/own/"
	// OwnLine is the line of sources.list for the mirror of a user's own.
	OwnLine = "deb [trusted=yes] https://" + kubernetesHost + ownPath + " /"

	// askedContainerd is the version that machines ask for (docs/node.md).
	askedContainerd = "2.2.6"
)

// own are the states of a mirror of a user's own, one for each version of Kubernetes: it has
// everything that a machine installs in one folder, up to that version. Nothing of it is signed.
func (b *builder) own(ctx context.Context) ([]repository, error) {
	containerd, err := b.containerd(ctx)
	if err != nil {
		return nil, err
	}
	containerd.version = containerdVersion(askedContainerd)
	tailscale, err := b.tailscale(ctx)
	if err != nil {
		return nil, err
	}
	packages := []debian{b.cni(), containerd, tailscale}
	var states []repository
	for _, version := range kit.KubernetesVersions {
		packages = append(packages, b.kubernetes(version)...)
		base := ownPath + version
		states = append(states, repository{
			host: kubernetesHost, base: base, release: base, index: base, pool: base + "/" + architecture, packages: slices.Clone(packages),
		})
	}
	return states, nil
}
