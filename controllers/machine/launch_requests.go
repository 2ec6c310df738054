// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/userdata"
)

// requests builds what a launch is asked for with, and finds the client to ask.
type requests struct {
	access *access.Clients
	// client reads Secrets from the API server.
	client client.Reader
}

// first is the launch at its placement, in an account open to the namespace.
func (q requests) first(ctx context.Context, s *scope) (oci.LaunchSpec, *oci.Client, error) {
	name := s.own.Status.Placement.Account
	network := scheduling.NetworkOf(s.infraCluster, name)
	if network == nil || network.SubnetID == "" {
		return oci.LaunchSpec{}, nil, access.NewProblem(infrav1.WaitingReason,
			"Waiting for the cluster's network in account %s", name)
	}
	account, err := q.access.Account(ctx, name, s.own.Namespace)
	if err != nil {
		return oci.LaunchSpec{}, nil, err
	}
	c, err := q.access.OCI(ctx, account)
	if err != nil {
		return oci.LaunchSpec{}, nil, err
	}
	userData, err := userdata.Render(s.bootstrap, s.key.Value)
	if err != nil {
		return oci.LaunchSpec{}, nil, err
	}
	return launchSpecOf(s, *network, userData), c, nil
}

// again is the launch as it was sent. Where the bootstrap data is gone it is a launch without user
// data: OCI then tells by the retry token whether there was another. Whether the namespace may
// still use the account does not matter: a new instance is ended next.
func (q requests) again(ctx context.Context, s *scope) (oci.LaunchSpec, *oci.Client, error) {
	name := s.own.Status.Placement.Account
	account, err := q.access.AccountOf(ctx, name, "machine")
	if err != nil {
		return oci.LaunchSpec{}, nil, err
	}
	c, err := q.access.OCI(ctx, account)
	if err != nil {
		return oci.LaunchSpec{}, nil, err
	}
	var network infrav1.ClusterAccountStatus
	var userData []byte
	if s.infraCluster != nil {
		if found := scheduling.NetworkOf(s.infraCluster, name); found != nil {
			network = *found
		}
		userData = q.userDataAgain(ctx, s)
	}
	return launchSpecOf(s, network, userData), c, nil
}

func launchSpecOf(s *scope, network infrav1.ClusterAccountStatus, userData []byte) oci.LaunchSpec {
	return instance.Spec(instance.Launch{
		Machine: s.own.Spec, Placement: s.own.Status.Placement, Network: network,
		Owner: s.owner, Hostname: s.hostname, Tags: s.owner.Claimed(identity.TagsIn(s.infraCluster, s.owner)), UserData: userData, KeyID: s.key.ID,
	})
}

// userDataAgain is nil if the user data cannot be had any more.
func (q requests) userDataAgain(ctx context.Context, s *scope) []byte {
	if s.machine.Spec.Bootstrap.DataSecretName == nil || s.cluster == nil {
		return nil
	}
	tn, err := q.access.Tailnet(ctx, s.infraCluster.Spec.TailnetRef.Name, s.own.Namespace)
	if err != nil {
		return nil
	}
	s.tailnet = tn
	input, _, err := q.bootstrap(ctx, s)
	if err != nil {
		return nil
	}
	userData, err := userdata.Render(input, s.key.Value)
	if err != nil {
		return nil
	}
	return userData
}

// bootstrap is the source of the user data, but for the key, and the agents that there is no room
// for.
func (q requests) bootstrap(ctx context.Context, s *scope) (cloudinit.Input, []cloudinit.Absence, error) {
	secret, err := q.bootstrapSecret(ctx, s.machine)
	if err != nil {
		return cloudinit.Input{}, nil, err
	}
	at := s.own.Status.Placement
	account, err := q.access.AccountOf(ctx, at.Account, "machine")
	if err != nil {
		return cloudinit.Input{}, nil, err
	}
	input, err := userdata.Input(userdata.Node{
		Place: userdata.Place{
			Account: account, AvailabilityDomain: at.AvailabilityDomain, FaultDomain: at.FaultDomain,
			Shape: at.Shape, Preemptible: s.own.Spec.Preemptible,
		},
		Secret: secret, Hostname: s.hostname, HostnameOfInstance: false,
		ControlPlane: s.isControlPlane(), KubernetesVersion: s.machine.Spec.Version,
		Bootstrap: s.own.Spec.Bootstrap, Tailscale: s.own.Spec.Tailscale, DataVolumes: s.own.Spec.DataVolumes,
		Cluster: s.cluster, InfraCluster: s.infraCluster, Tailnet: s.tailnet, Agent: updates.HasAgent(s.own),
		OtherMetadata: instance.Metadata(s.own.Spec),
	})
	if err != nil {
		return cloudinit.Input{}, nil, err
	}
	return userdata.Fit(input)
}

func (q requests) bootstrapSecret(ctx context.Context, machine *clusterv1.Machine) (*corev1.Secret, error) {
	key := client.ObjectKey{Namespace: machine.Namespace, Name: *machine.Spec.Bootstrap.DataSecretName}
	secret := &corev1.Secret{}
	err := q.client.Get(ctx, key, secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, access.NewProblem(infrav1.BootstrapDataInvalidReason,
			"Secret %s with the bootstrap data does not exist: delete the Machine, or restore the Secret", key.Name)
	case err != nil:
		return nil, fmt.Errorf("reading the bootstrap data: %w", err)
	case len(secret.Data["value"]) == 0:
		return nil, access.NewProblem(infrav1.BootstrapDataInvalidReason,
			"Secret %s has no bootstrap data in its key value: delete the Machine, or fix the Secret", key.Name)
	}
	return secret, nil
}

// isFresh tells whether the pass has the newest placement. A stale cache could show one given up
// since, and launch a second instance.
func isFresh(ctx context.Context, apiReader client.Reader, s *scope) (bool, error) {
	if s.checked {
		return true, nil
	}
	own, current := s.own, &infrav1.OCIMeshMachine{}
	if err := apiReader.Get(ctx, client.ObjectKeyFromObject(own), current); err != nil {
		return false, client.IgnoreNotFound(fmt.Errorf("reading the machine before its launch: %w", err))
	}
	return current.DeletionTimestamp.IsZero() && current.UID == own.UID &&
		current.Status.Placement == own.Status.Placement && current.Status.Instance.ID == "", nil
}
