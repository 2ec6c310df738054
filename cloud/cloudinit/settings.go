// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

const (
	defaultJoinTimeout          = 2 * time.Minute
	defaultPort                 = 6443
	defaultTailscaleRepository  = "https://pkgs.tailscale.com/stable"
	defaultKubernetesRepository = "https://pkgs.k8s.io/core:/stable:"
	defaultContainerdRepository = "https://download.docker.com/linux"
	// defaultContainerdVersion is in Docker's repositories for Ubuntu 22.04 and 24.04 and for RHEL
	// 8 and 9.
	defaultContainerdVersion = "2.2.6"
)

// Fingerprints of the signing keys of the public repositories. A key keeps its fingerprint when its
// expiry is extended.
var (
	// Tailscale's is "Package repository signing key", for deb and rpm (tailscale issues 3540,
	// 13284, 15221).
	defaultTailscaleKeys = []string{"2596A99EAAB33821893C0A79458CA832957F5868"}
	// pkgs.k8s.io's is "isv:kubernetes OBS Project" (kubernetes issue 128609, kubernetes/release
	// issue 3818).
	defaultKubernetesKeys = []string{"DE15B14486CD377B9E876E1A234654DA9A296436"}
	// Docker's are the one for deb and the one for rpm ("Install Docker Engine on Ubuntu", "on
	// CentOS" in Docker's documentation).
	defaultContainerdKeys = []string{"9DC858229FC7DD38854AE2D88D81803C0EBFCD88", "060A61C51B558A7F742B77AAC52FEB6B621E9F35"}
)

// nodeSettings is the content of /etc/capom/node.env, read by every script on the node. in has its
// defaults.
func nodeSettings(in Input) map[string]string {
	role := "worker"
	if in.ControlPlane {
		role = "control-plane"
	}
	settings := map[string]string{
		"CAPOM_HOSTNAME":           in.Hostname,
		"CAPOM_ROLE":               role,
		"CAPOM_KUBERNETES_VERSION": cloud.KubernetesRelease(in.KubernetesVersion),
		"CAPOM_BOOTSTRAP_MODE":     string(in.BootstrapMode),
		"CAPOM_PROVIDER_ID_PREFIX": in.ProviderIDPrefix,
		"CAPOM_NODE_LABELS":        joinLabels(in.Labels),
		"CAPOM_ZONE_PREFIX":        in.ZonePrefix,
		"CAPOM_LOGIN_SERVER":       in.Tailnet.LoginServer,
		"CAPOM_JOIN_TIMEOUT":       strconv.Itoa(max(1, int(in.Tailnet.JoinTimeout/time.Second))),
		"CAPOM_TAILSCALE_SOURCE":   string(in.Tailscale.Source),
		"CAPOM_TAILSCALE_VERSION":  in.Tailscale.Version,
		"CAPOM_TAILSCALE_REPO":     strings.TrimRight(in.Tailscale.Repository, "/"),
		"CAPOM_KUBERNETES_REPO":    strings.TrimRight(in.Packages.KubernetesRepository, "/"),
		"CAPOM_CONTAINERD_REPO":    strings.TrimRight(in.Packages.ContainerdRepository, "/"),
		"CAPOM_TAILSCALE_KEYS":     strings.Join(in.Tailscale.RepositoryKeys, " "),
		"CAPOM_KUBERNETES_KEYS":    strings.Join(in.Packages.KubernetesKeys, " "),
		"CAPOM_CONTAINERD_KEYS":    strings.Join(in.Packages.ContainerdKeys, " "),
		"CAPOM_CONTAINERD_VERSION": in.Packages.ContainerdVersion,
		"CAPOM_ENDPOINT_HOST":      in.Endpoint.Host,
		"CAPOM_ENDPOINT_PORT":      strconv.Itoa(in.Endpoint.Port),
		"CAPOM_VIP":                "",
		"CAPOM_VIP_RANGE":          "",
		"CAPOM_POD_NETWORK":        string(in.PodNetwork.Mode),
		"CAPOM_MTU":                "",
		"CAPOM_POD_CIDRS":          joinPrefixes(in.PodNetwork.PodCIDRs),
		"CAPOM_SERVICE_CIDRS":      joinPrefixes(in.PodNetwork.ServiceCIDRs),
		"CAPOM_VCN_CIDRS":          joinPrefixes(in.VCNCIDRs),
	}
	if in.PodNetwork.Mode == PodNetworkTailnetRoutes && in.PodNetwork.NodeCIDRMaskSize > 0 {
		settings["CAPOM_NODE_CIDR_MASK"] = strconv.Itoa(in.PodNetwork.NodeCIDRMaskSize)
	}
	if in.HostnameOfInstance {
		settings["CAPOM_HOSTNAME_SUFFIX"] = "instance"
	}
	if in.PodNetwork.MTU != 0 {
		settings["CAPOM_MTU"] = strconv.Itoa(in.PodNetwork.MTU)
	}
	if in.Endpoint.VIP {
		settings["CAPOM_VIP"] = in.Endpoint.Host
		settings["CAPOM_VIP_RANGE"] = in.Endpoint.VIPRange.Masked().String()
	}
	for arch, archive := range in.Tailscale.Archives {
		settings["CAPOM_TAILSCALE_URL_"+arch] = archive.URL
		settings["CAPOM_TAILSCALE_SHA256_"+arch] = archive.SHA256
	}
	return settings
}

func joinPrefixes(prefixes []netip.Prefix) string {
	words := make([]string, 0, len(prefixes))
	for _, prefix := range prefixes {
		words = append(words, prefix.Masked().String())
	}
	return strings.Join(words, " ")
}

// joinLabels writes NAME=VALUE words in the order of names.
func joinLabels(labels map[string]string) string {
	words := make([]string, 0, len(labels))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, name+"="+labels[name])
	}
	return strings.Join(words, " ")
}

// marshalEnv writes sorted KEY='value' lines; both a POSIX shell and unmarshalEnv read them back
// exactly.
func marshalEnv(settings map[string]string) []byte {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		out.WriteString(key + "='" + strings.ReplaceAll(settings[key], "'", `'\''`) + "'\n")
	}
	return []byte(out.String())
}

// unmarshalEnv is the inverse of marshalEnv and refuses everything else: a test or a simulated node
// never reads a line differently from the shell.
func unmarshalEnv(data []byte) (map[string]string, error) {
	settings := map[string]string{}
	for line := range strings.Lines(string(data)) {
		key, quoted, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		inner, opened := strings.CutPrefix(quoted, "'")
		inner, closed := strings.CutSuffix(inner, "'")
		value := strings.ReplaceAll(inner, `'\''`, "\x00")
		if !ok || key == "" || !opened || !closed || strings.Contains(value, "'") {
			return nil, malformed("%s has a line that is not KEY='value'", nodeEnvPath)
		}
		settings[key] = strings.ReplaceAll(value, "\x00", "'")
	}
	return settings, nil
}

// volumeTable is the content of /etc/capom/volumes: one "device file-system mount-path" line each.
// Validation has kept white space out of all three.
func volumeTable(volumes []DataVolume) []byte {
	var out strings.Builder
	for _, v := range volumes {
		out.WriteString(v.Device + " " + v.FileSystem + " " + v.MountPath + "\n")
	}
	return []byte(out.String())
}

func parseVolumeTable(data []byte) ([]DataVolume, error) {
	var volumes []DataVolume
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) != 3 {
			return nil, malformed("%s has a line that is not \"device file-system mount-path\"", volumesPath)
		}
		volumes = append(volumes, DataVolume{Device: words[0], FileSystem: words[1], MountPath: words[2]})
	}
	return volumes, nil
}
