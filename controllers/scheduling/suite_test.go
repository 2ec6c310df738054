// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

const arm = "VM.Standard.A1.Flex"

// requestOf is the request of a machine of the cluster blue.
func requestOf(machine *infrav1.OCIMeshMachine) Request {
	return Request{
		Key: client.ObjectKeyFromObject(machine), ResourceVersion: machine.ResourceVersion, Identity: identity.Of(machine),
		Recorded: machine.Status.Placement, Attempt: machine.Status.Placement.Attempt + 1,
		Labels: machine.Labels, Spec: machine.Spec, Cluster: blue,
	}
}
