// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package userdata gathers what the user data of a node is rendered from, out of the objects that
// decide it. It has no I/O.
package userdata

import (
	"errors"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// defaultTailscaleVersion is the version that is installed when the machine names none. The node
// scripts were tested with it.
const defaultTailscaleVersion = "1.102.3"

// Node is a node, or many that share their user data.
type Node struct {
	// Secret holds the bootstrap provider's data.
	Secret *corev1.Secret
	// Hostname is its name in the tailnet; with HostnameOfInstance how the names of many begin.
	Hostname           string
	HostnameOfInstance bool
	// ControlPlane says that it runs an API server; KubernetesVersion is its Machine's.
	ControlPlane      bool
	KubernetesVersion string
	// Bootstrap, Tailscale and DataVolumes are its spec's.
	Bootstrap   infrav1.BootstrapMode
	Tailscale   infrav1.Tailscale
	DataVolumes []infrav1.DataVolume
	// Place decides the Node's labels and which VCN's ranges it knows; without an account neither.
	Place Place
	// Cluster, InfraCluster and Tailnet are what it is a part of.
	Cluster      *clusterv1.Cluster
	InfraCluster *infrav1.OCIMeshCluster
	Tailnet      *infrav1.Tailnet
	// Agent says that it gets the agent for updates of versions in place.
	Agent bool
	// OtherMetadata is that of its instances beside the user data, which takes from the same room.
	OtherMetadata map[string]string
}

// Input is what the user data is rendered from, but for the tailnet key. Errors are Problems.
func Input(n Node) (cloudinit.Input, error) {
	input := cloudinit.Input{
		Bootstrap:          n.Secret.Data["value"],
		BootstrapFormat:    string(n.Secret.Data["format"]),
		Hostname:           n.Hostname,
		HostnameOfInstance: n.HostnameOfInstance,
		ControlPlane:       n.ControlPlane,
		KubernetesVersion:  n.KubernetesVersion,
		BootstrapMode:      bootstrapModeOf(n.Bootstrap),
		ProviderIDPrefix:   cloud.ProviderIDPrefix,
		Tailnet:            cloudinit.Tailnet{LoginServer: n.Tailnet.Spec.LoginServer},
		Tailscale:          tailscaleOf(n.Tailscale),
		Agent:              n.Agent,
		OtherMetadata:      n.OtherMetadata,
		PodNetwork: cloudinit.PodNetwork{
			Mode: cloudinit.PodNetworkMode(n.InfraCluster.Spec.PodNetwork.Mode),
			MTU:  int(n.InfraCluster.Spec.PodNetwork.MTU),

			NodeCIDRMaskSize: int(n.InfraCluster.Spec.PodNetwork.NodeCIDRMaskSize),
		},
	}
	if n.Place.Account != nil {
		input.Labels = n.Place.labels()
		if n.Place.zone() == "" {
			input.ZonePrefix = n.Place.zoneAccount() + "-"
		}
	}
	for i, volume := range n.DataVolumes {
		input.DataVolumes = append(input.DataVolumes, cloudinit.DataVolume{
			Device: instance.Device(i), FileSystem: string(volume.FileSystem), MountPath: volume.MountPath,
		})
	}
	var err error
	if input.Endpoint, err = endpointOf(n); err != nil {
		return cloudinit.Input{}, err
	}
	if input.VCNCIDRs, err = vcnOf(n); err != nil {
		return cloudinit.Input{}, err
	}
	network := n.Cluster.Spec.ClusterNetwork
	if input.PodNetwork.PodCIDRs, err = prefixesOf("The Cluster's clusterNetwork.pods", network.Pods.CIDRBlocks); err != nil {
		return cloudinit.Input{}, err
	}
	input.PodNetwork.ServiceCIDRs, err = prefixesOf("The Cluster's clusterNetwork.services", network.Services.CIDRBlocks)
	return input, err
}

// Render gives the user data of an instance with the key. Errors are Problems.
func Render(input cloudinit.Input, key cloudinit.Secret) ([]byte, error) {
	input.Tailnet.AuthKey = key
	rendered, err := cloudinit.Render(input)
	if err == nil {
		err = cloudinit.CheckSize(rendered, input.OtherMetadata)
	}
	if err != nil {
		return nil, problemOf(input, err)
	}
	return rendered, nil
}

// problemOf is an error of user data as a Problem.
func problemOf(input cloudinit.Input, err error) error {
	var tooLarge *cloudinit.TooLargeError
	if errors.As(err, &tooLarge) {
		tooLarge.Authorities = cloudinit.AuthoritiesIn(input.Bootstrap)
		return &access.Problem{Reason: infrav1.UserDataTooLargeReason, Message: sentence(err), Err: err}
	}
	return &access.Problem{Reason: infrav1.BootstrapDataInvalidReason, Message: sentence(err), Err: err}
}

// sentence is an error as a condition's message.
func sentence(err error) string {
	var refused *cloudinit.InvalidInputError
	if errors.As(err, &refused) && refused.Field == "Bootstrap" {
		return "The bootstrap data cannot make a node: " + refused.Reason
	}
	message := err.Error()
	return strings.ToUpper(message[:1]) + message[1:]
}

// ExternalCloudProviderReason is the reason of the event with ExternalCloudProvider's note.
const ExternalCloudProviderReason = "ExternalCloudProvider"

// ExternalCloudProvider is a note for users whose node waits for a cloud controller manager; empty
// for all others. It keeps no machine from being Ready, since there may be one.
func ExternalCloudProvider(input cloudinit.Input) string {
	if !cloudinit.CloudProviderExternal(input.Bootstrap) {
		return ""
	}
	return "kubelet runs with cloud-provider external: the Node takes no pods before a cloud controller manager takes the taint " +
		"node.cloudprovider.kubernetes.io/uninitialized away. This provider brings none: remove cloud-provider from kubeletExtraArgs, or run one"
}

func endpointOf(n Node) (cloudinit.Endpoint, error) {
	endpoint := cloudinit.Endpoint{
		Host: n.Cluster.Spec.ControlPlaneEndpoint.Host, Port: int(n.Cluster.Spec.ControlPlaneEndpoint.Port),
		VIP: n.InfraCluster.Spec.EndpointType.HasVIP(),
	}
	if endpoint.Host == "" {
		endpoint.Host = n.InfraCluster.Spec.ControlPlaneEndpoint.Host
		endpoint.Port = int(n.InfraCluster.Spec.ControlPlaneEndpoint.Port)
	}
	if !endpoint.VIP {
		return endpoint, nil
	}
	var err error
	endpoint.VIPRange, err = netip.ParsePrefix(n.Tailnet.Spec.VIPRange)
	if err != nil {
		return endpoint, access.NewProblem(infrav1.TailnetNotReadyReason,
			"Tailnet %s has no vipRange any more, which the cluster's endpoint is of: restore it", n.Tailnet.Name)
	}
	return endpoint, nil
}

// vcnOf are the ranges of the node's VCN: a managed one's from the spec, an existing one's as OCI
// told them to the cluster.
func vcnOf(n Node) ([]netip.Prefix, error) {
	if n.Place.Account == nil {
		return nil, nil
	}
	name := n.Place.Account.Name
	for _, account := range n.InfraCluster.Spec.Accounts {
		if account.Name == name && account.Network.Managed != nil {
			return prefixesOf("The network of account "+name, []string{account.Network.Managed.VCNCIDR})
		}
	}
	for _, account := range n.InfraCluster.Status.Accounts {
		if account.Name == name {
			return prefixesOf("The network of account "+name, account.Ranges)
		}
	}
	return nil, nil
}

// bootstrapModeOf is the way to Kubernetes' software; a mode that is not known is that of stock
// images, which works everywhere.
func bootstrapModeOf(mode infrav1.BootstrapMode) cloudinit.BootstrapMode {
	switch mode {
	case infrav1.BootstrapPreinstalled:
		return cloudinit.BootstrapPreinstalled
	case infrav1.BootstrapInstall:
		return cloudinit.BootstrapInstall
	}
	return cloudinit.BootstrapInstall
}

func tailscaleOf(spec infrav1.Tailscale) cloudinit.Tailscale {
	out := cloudinit.Tailscale{Version: spec.Version}
	if out.Version == "" {
		out.Version = defaultTailscaleVersion
	}
	switch spec.Source {
	case infrav1.TailscaleMirror:
		out.Source, out.Archives = cloudinit.TailscaleArchive, map[string]cloudinit.Archive{}
		for _, archive := range spec.Mirror {
			out.Archives[string(archive.Architecture)] = cloudinit.Archive{URL: archive.URL, SHA256: archive.SHA256}
		}
	case infrav1.TailscalePreinstalled:
		out.Source = cloudinit.TailscaleImage
	case infrav1.TailscalePackages:
		out.Source = cloudinit.TailscalePackage
	}
	return out
}

func prefixesOf(what string, blocks []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, block := range blocks {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(block))
		if err != nil {
			return nil, access.NewProblem(infrav1.BootstrapDataInvalidReason,
				"%s holds %q, which is not a CIDR: fix it", what, block)
		}
		out = append(out, prefix)
	}
	return out, nil
}
