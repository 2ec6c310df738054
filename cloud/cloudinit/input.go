// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"net/netip"
	"time"
)

// FormatCloudConfig is the only bootstrap format accepted by Render; the empty string means the
// same.
const FormatCloudConfig = "cloud-config"

// Input holds everything that decides a machine's user data.
type Input struct {
	// Bootstrap is the bootstrap Secret's "value": a cloud-config, usually headed "## template:
	// jinja". It reaches cloud-init unchanged.
	Bootstrap []byte
	// BootstrapFormat is the bootstrap Secret's "format": "cloud-config" or empty. Anything else is
	// refused with *UnsupportedFormatError.
	BootstrapFormat string
	// Hostname is the machine's name on the tailnet: a DNS label.
	Hostname string
	// HostnameOfInstance is set if many instances share the user data: Hostname is then only the
	// prefix of each name, see InstanceHostname.
	HostnameOfInstance bool
	// ControlPlane is set if the machine runs an API server.
	ControlPlane bool
	// KubernetesVersion is the Machine's version, for example "v1.36.1".
	KubernetesVersion string
	// BootstrapMode says whether the image holds Kubernetes already. Empty means
	// BootstrapPreinstalled.
	BootstrapMode BootstrapMode
	// Labels are put on the Node when kubelet registers it. A label that the user gives kubelet as
	// well keeps the user's value.
	Labels map[string]string
	// ZonePrefix is set if the availability domain is not known yet: the Node's zone is the prefix
	// and the domain's short name, such as "ad-1", of the metadata service's answer.
	ZonePrefix string
	// ProviderIDPrefix precedes the instance OCID in the node's provider ID. Empty means
	// cloud.ProviderIDPrefix.
	ProviderIDPrefix string

	Tailnet    Tailnet
	Tailscale  Tailscale
	Packages   Packages
	Endpoint   Endpoint
	PodNetwork PodNetwork
	// VCNCIDRs are the ranges of the machine's VCN, as far as they are known: they are never
	// reached over the tailnet.
	VCNCIDRs []netip.Prefix
	// DataVolumes are formatted once and mounted before kubeadm runs.
	DataVolumes []DataVolume
	// Agent puts the agent on the node that changes versions in place.
	Agent bool
	// Without are agents that the machine goes without; see Fit.
	Without []Agent
	// OtherMetadata is all metadata and extendedMetadata of the instance but the user data, such as
	// ssh_authorized_keys. It takes from the same room.
	OtherMetadata map[string]string
}

// instanceSuffix is how much of an instance's OCID its hostname ends with: 60 random bits. The
// node's lib.sh counts alike.
const instanceSuffix = 12

// MaxHostnamePrefix is the length in characters of the longest Hostname with HostnameOfInstance.
const MaxHostnamePrefix = 63 - 1 - instanceSuffix

// InstanceHostname is an instance's name on the tailnet if its user data has HostnameOfInstance:
// the prefix and the end of the instance's OCID, in lower-case letters and digits. Node and
// provider derive it independently, from facts known to both.
func InstanceHostname(prefix, instanceID string) string {
	return prefix + "-" + instanceID[max(0, len(instanceID)-instanceSuffix):]
}

// BootstrapMode says where containerd, kubelet and kubeadm come from.
type BootstrapMode string

const (
	// BootstrapPreinstalled expects them in the image.
	BootstrapPreinstalled BootstrapMode = "preinstalled"
	// BootstrapInstall installs them at KubernetesVersion on a stock Ubuntu or Oracle Linux.
	BootstrapInstall BootstrapMode = "install"
)

// Tailnet is how the machine joins.
type Tailnet struct {
	// LoginServer is the coordination server's URL. Empty means Tailscale's own.
	LoginServer string
	// AuthKey is a single-use, tagged, pre-authorised, short-lived key.
	AuthKey Secret
	// JoinTimeout bounds one attempt, not all of them: the machine tries until it has joined. Zero
	// means two minutes.
	JoinTimeout time.Duration
}

// TailscaleSource says where tailscale comes from.
type TailscaleSource string

const (
	// TailscalePackage installs the distribution's package from Tailscale's repository or
	// Repository.
	TailscalePackage TailscaleSource = "package"
	// TailscaleArchive unpacks a release archive with a given checksum.
	TailscaleArchive TailscaleSource = "archive"
	// TailscaleImage expects tailscale in the image.
	TailscaleImage TailscaleSource = "image"
)

// Tailscale is the machine's tailscale client.
type Tailscale struct {
	// Source is empty for TailscalePackage.
	Source TailscaleSource
	// Version is exact, for example "1.102.3". Required but for TailscaleImage, where it is not
	// used.
	Version string
	// Repository replaces https://pkgs.tailscale.com/stable for TailscalePackage.
	Repository string
	// RepositoryKeys are the fingerprints of the keys trusted to sign Repository. Empty means
	// Tailscale's own.
	RepositoryKeys []string
	// Archives are the release archives by architecture, "amd64" and "arm64", for TailscaleArchive.
	Archives map[string]Archive
}

// Archive is one file to fetch.
type Archive struct {
	// URL of a gzip'd tar file laid out as Tailscale's own.
	URL string
	// SHA256 is the file's digest in 64 hexadecimal digits.
	SHA256 string
}

// Packages are mirrors for BootstrapInstall. Each replaces the public default when not empty.
type Packages struct {
	// KubernetesRepository replaces https://pkgs.k8s.io/core:/stable: and is followed by
	// /v<minor>/{deb,rpm}/.
	KubernetesRepository string
	// ContainerdRepository replaces https://download.docker.com/linux and is followed by /ubuntu or
	// /rhel.
	ContainerdRepository string
	// KubernetesKeys and ContainerdKeys are the fingerprints of the keys trusted to sign the
	// repositories, 40 upper-case hexadecimal digits each. Empty means the keys of the public
	// repositories.
	KubernetesKeys []string
	ContainerdKeys []string
	// ContainerdVersion is exact, for example "2.2.6". Empty means the tested version.
	ContainerdVersion string
}

// Endpoint is the control plane's endpoint.
type Endpoint struct {
	// Host is an IP address or a DNS name.
	Host string
	// Port is the API server's port. Zero means 6443.
	Port int
	// VIP is set if the control planes hold the address Host and advertise it on the tailnet.
	VIP bool
	// VIPRange is the Tailnet's range containing Host. Required with VIP.
	VIPRange netip.Prefix
}

// PodNetworkMode is how pod packets travel between nodes.
type PodNetworkMode string

const (
	// PodNetworkVXLAN encapsulates them.
	PodNetworkVXLAN PodNetworkMode = "VXLAN"
	// PodNetworkTailnetRoutes has each node advertise its own pod CIDR on the tailnet.
	PodNetworkTailnetRoutes PodNetworkMode = "TailnetRoutes"
)

// PodNetwork is the cluster's pod network.
type PodNetwork struct {
	// Mode is empty for PodNetworkVXLAN.
	Mode PodNetworkMode
	// MTU of the tailnet interface in bytes, equal on all nodes. Zero means tailscale's own, 1280.
	MTU int
	// NodeCIDRMaskSize is the length of a node's IPv4 part of the pod network with
	// PodNetworkTailnetRoutes: wider routes are not a node's. Zero means any.
	NodeCIDRMaskSize int
	// PodCIDRs and ServiceCIDRs are the Cluster's.
	PodCIDRs     []netip.Prefix
	ServiceCIDRs []netip.Prefix
}

// DataVolume is a block volume of the machine.
type DataVolume struct {
	// Device is the attachment's consistent path, for example /dev/oracleoci/oraclevdb.
	Device string
	// FileSystem is ext4 or xfs.
	FileSystem string
	// MountPath is absolute.
	MountPath string
}
