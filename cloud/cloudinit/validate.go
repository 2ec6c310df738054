// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

var (
	dnsLabel         = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	dnsName          = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
	kubernetesSemver = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+([+-][0-9A-Za-z.+-]+)?$`)
	threeNumbers     = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)
	sha256Hex        = regexp.MustCompile(`^[0-9a-f]{64}$`)
	authKey          = regexp.MustCompile(`^[A-Za-z0-9_.:=?&-]+$`)
	safePath         = regexp.MustCompile(`^/[A-Za-z0-9._/-]+$`)
	safeURL          = regexp.MustCompile(`^[A-Za-z0-9._~:/?#@!$&()*+,;=%\[\]-]+$`)
	fingerprint      = regexp.MustCompile(`^[0-9A-F]{40}$`)
	labelWord        = regexp.MustCompile(`^[A-Za-z0-9._/-]+$`)
	idPrefix         = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://$`)
)

const (
	minMTU = 1280
	maxMTU = 65535
	// maxMask is an IPv4 address's length.
	maxMask = 32
)

// withDefaults fills empty fields with the defaults from the field comments of Input.
func (in Input) withDefaults() Input {
	if in.BootstrapMode == "" {
		in.BootstrapMode = BootstrapPreinstalled
	}
	if in.ProviderIDPrefix == "" {
		in.ProviderIDPrefix = cloud.ProviderIDPrefix
	}
	if in.Tailnet.JoinTimeout == 0 {
		in.Tailnet.JoinTimeout = defaultJoinTimeout
	}
	if in.Tailscale.Source == "" {
		in.Tailscale.Source = TailscalePackage
	}
	if in.Tailscale.Repository == "" {
		in.Tailscale.Repository = defaultTailscaleRepository
	}
	if in.Packages.KubernetesRepository == "" {
		in.Packages.KubernetesRepository = defaultKubernetesRepository
	}
	if in.Packages.ContainerdRepository == "" {
		in.Packages.ContainerdRepository = defaultContainerdRepository
	}
	if len(in.Tailscale.RepositoryKeys) == 0 {
		in.Tailscale.RepositoryKeys = defaultTailscaleKeys
	}
	if len(in.Packages.KubernetesKeys) == 0 {
		in.Packages.KubernetesKeys = defaultKubernetesKeys
	}
	if len(in.Packages.ContainerdKeys) == 0 {
		in.Packages.ContainerdKeys = defaultContainerdKeys
	}
	if in.Packages.ContainerdVersion == "" {
		in.Packages.ContainerdVersion = defaultContainerdVersion
	}
	if in.Endpoint.Port == 0 {
		in.Endpoint.Port = defaultPort
	}
	if in.PodNetwork.Mode == "" {
		in.PodNetwork.Mode = PodNetworkVXLAN
	}
	return in
}

// validate refuses values a node could not use. It also limits them to characters without a special
// meaning in shells, units and fstab: a second safeguard beside the quoting.
func (in Input) validate() error {
	if in.BootstrapFormat != "" && in.BootstrapFormat != FormatCloudConfig {
		return &UnsupportedFormatError{Format: in.BootstrapFormat}
	}
	if len(in.Bootstrap) == 0 {
		return invalid("Bootstrap", "empty: the bootstrap provider has written no data")
	}
	if !isCloudConfig(in.Bootstrap) {
		return invalid("Bootstrap", `starts with neither "#cloud-config" nor "## template: jinja": it is no cloud-config`)
	}
	if !dnsLabel.MatchString(in.Hostname) {
		return invalid("Hostname", "%q is no DNS label", in.Hostname)
	}
	if in.HostnameOfInstance && len(in.Hostname) > MaxHostnamePrefix {
		return invalid("Hostname", "longer than %d characters, which leaves no room for the instance's part", MaxHostnamePrefix)
	}
	if !kubernetesSemver.MatchString(in.KubernetesVersion) {
		return invalid("KubernetesVersion", "%q is not of the form v1.36.1", in.KubernetesVersion)
	}
	if in.BootstrapMode != BootstrapPreinstalled && in.BootstrapMode != BootstrapInstall {
		return invalid("BootstrapMode", "%q is neither preinstalled nor install", in.BootstrapMode)
	}
	if !idPrefix.MatchString(in.ProviderIDPrefix) {
		return invalid("ProviderIDPrefix", "%q is not of the form oci://", in.ProviderIDPrefix)
	}
	for name, value := range in.Labels {
		if !labelWord.MatchString(name) || !labelWord.MatchString(value) {
			return invalid("Labels", "%s=%q holds characters that no label has", name, value)
		}
	}
	if in.ZonePrefix != "" && !labelWord.MatchString(in.ZonePrefix) {
		return invalid("ZonePrefix", "%q holds characters that no label has", in.ZonePrefix)
	}
	for _, check := range []func() error{
		in.Tailnet.validate, in.Tailscale.validate, in.Packages.validate, in.Endpoint.validate, in.PodNetwork.validate,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	if err := validateCIDRs("VCNCIDRs", in.VCNCIDRs); err != nil {
		return err
	}
	return validateVolumes(in.DataVolumes)
}

func isCloudConfig(data []byte) bool {
	text := strings.ToLower(strings.TrimLeft(string(data[:min(len(data), 64)]), " \t\r\n"))
	return strings.HasPrefix(text, "#cloud-config") || strings.HasPrefix(text, "## template: jinja")
}

func (t Tailnet) validate() error {
	if t.LoginServer != "" {
		if err := validateURL("Tailnet.LoginServer", t.LoginServer); err != nil {
			return err
		}
	}
	if !authKey.MatchString(string(t.AuthKey)) {
		return invalid("Tailnet.AuthKey", "empty, or holds characters that no auth key has")
	}
	if t.JoinTimeout < 0 {
		return invalid("Tailnet.JoinTimeout", "negative")
	}
	return nil
}

func (t Tailscale) validate() error {
	switch t.Source {
	case TailscaleImage:
		return nil
	case TailscalePackage:
		if err := validateURL("Tailscale.Repository", t.Repository); err != nil {
			return err
		}
		if err := validateKeys("Tailscale.RepositoryKeys", t.RepositoryKeys); err != nil {
			return err
		}
	case TailscaleArchive:
		if len(t.Archives) == 0 {
			return invalid("Tailscale.Archives", "empty: give the archive of each architecture in use")
		}
		for arch, archive := range t.Archives {
			if arch != "amd64" && arch != "arm64" {
				return invalid("Tailscale.Archives", "architecture %q is neither amd64 nor arm64", arch)
			}
			if err := validateURL("Tailscale.Archives["+arch+"].URL", archive.URL); err != nil {
				return err
			}
			if !sha256Hex.MatchString(archive.SHA256) {
				return invalid("Tailscale.Archives["+arch+"].SHA256", "not 64 lower-case hexadecimal digits")
			}
		}
	default:
		return invalid("Tailscale.Source", "%q is none of package, archive, image", t.Source)
	}
	if !threeNumbers.MatchString(t.Version) {
		return invalid("Tailscale.Version", "%q is not of the form 1.102.3", t.Version)
	}
	return nil
}

func (p Packages) validate() error {
	if err := validateURL("Packages.KubernetesRepository", p.KubernetesRepository); err != nil {
		return err
	}
	if err := validateURL("Packages.ContainerdRepository", p.ContainerdRepository); err != nil {
		return err
	}
	if err := validateKeys("Packages.KubernetesKeys", p.KubernetesKeys); err != nil {
		return err
	}
	if err := validateKeys("Packages.ContainerdKeys", p.ContainerdKeys); err != nil {
		return err
	}
	if !threeNumbers.MatchString(p.ContainerdVersion) {
		return invalid("Packages.ContainerdVersion", "%q is not of the form 2.2.6", p.ContainerdVersion)
	}
	return nil
}

func validateKeys(field string, fingerprints []string) error {
	for _, f := range fingerprints {
		if !fingerprint.MatchString(f) {
			return invalid(field, "%q is not 40 upper-case hexadecimal digits", f)
		}
	}
	return nil
}

func (e Endpoint) validate() error {
	if !dnsName.MatchString(e.Host) {
		if _, err := netip.ParseAddr(e.Host); err != nil {
			return invalid("Endpoint.Host", "%q is neither an IP address nor a DNS name", e.Host)
		}
	}
	if e.Port < 1 || e.Port > 65535 {
		return invalid("Endpoint.Port", "%d is no port", e.Port)
	}
	if !e.VIP {
		return nil
	}
	vip, err := netip.ParseAddr(e.Host)
	if err != nil || !vip.Is4() {
		return invalid("Endpoint.Host", "%q is no IPv4 address, which a VIP must be", e.Host)
	}
	if !e.VIPRange.IsValid() || !e.VIPRange.Contains(vip) {
		return invalid("Endpoint.VIPRange", "%s does not contain the VIP %s", e.VIPRange, vip)
	}
	return nil
}

func (p PodNetwork) validate() error {
	if p.Mode != PodNetworkVXLAN && p.Mode != PodNetworkTailnetRoutes {
		return invalid("PodNetwork.Mode", "%q is neither VXLAN nor TailnetRoutes", p.Mode)
	}
	if p.MTU != 0 && (p.MTU < minMTU || p.MTU > maxMTU) {
		return invalid("PodNetwork.MTU", "%d is not between %d and %d", p.MTU, minMTU, maxMTU)
	}
	if p.NodeCIDRMaskSize < 0 || p.NodeCIDRMaskSize > maxMask {
		return invalid("PodNetwork.NodeCIDRMaskSize", "%d is not between 0 and %d", p.NodeCIDRMaskSize, maxMask)
	}
	if p.Mode == PodNetworkTailnetRoutes && len(p.PodCIDRs) == 0 {
		return invalid("PodNetwork.PodCIDRs", "empty: TailnetRoutes needs the Cluster's spec.clusterNetwork.pods")
	}
	if err := validateCIDRs("PodNetwork.PodCIDRs", p.PodCIDRs); err != nil {
		return err
	}
	return validateCIDRs("PodNetwork.ServiceCIDRs", p.ServiceCIDRs)
}

func validateCIDRs(field string, cidrs []netip.Prefix) error {
	for _, cidr := range cidrs {
		if !cidr.IsValid() {
			return invalid(field, "holds an invalid CIDR")
		}
	}
	return nil
}

func validateVolumes(volumes []DataVolume) error {
	devices, mounts := map[string]bool{}, map[string]bool{}
	for _, v := range volumes {
		switch {
		case !safePath.MatchString(v.Device) || !strings.HasPrefix(path.Clean(v.Device), "/dev/"):
			return invalid("DataVolumes.Device", "%q is no path below /dev", v.Device)
		case v.FileSystem != "ext4" && v.FileSystem != "xfs":
			return invalid("DataVolumes.FileSystem", "%q is neither ext4 nor xfs", v.FileSystem)
		case !safePath.MatchString(v.MountPath) || path.Clean(v.MountPath) != v.MountPath:
			return invalid("DataVolumes.MountPath", "%q is no clean absolute path", v.MountPath)
		case devices[v.Device] || mounts[v.MountPath]:
			return invalid("DataVolumes", "%s or %s is used twice", v.Device, v.MountPath)
		}
		devices[v.Device], mounts[v.MountPath] = true, true
	}
	return nil
}

func validateURL(field, value string) error {
	parsed, err := url.Parse(value)
	if err != nil || !safeURL.MatchString(value) || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return invalid(field, "no http or https URL")
	}
	if parsed.User != nil {
		return invalid(field, "holds a password: user data can be read by anyone who can read the instance")
	}
	return nil
}
