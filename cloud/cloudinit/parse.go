// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// Parsed is a node's view of its user data.
type Parsed struct {
	// Bootstrap is the bootstrap provider's data, byte for byte.
	Bootstrap []byte
	// AuthKey is the node's tailnet key for joining.
	AuthKey Secret
	// Hostname is the node's name on the tailnet, or the beginning of it: see HostnameOf.
	Hostname string
	// HostnameOfInstance is Input's.
	HostnameOfInstance bool
	// LoginServer is the coordination server's URL, empty for Tailscale's own.
	LoginServer string
	// ControlPlane, KubernetesVersion, BootstrapMode, ProviderIDPrefix and PodNetworkMode are
	// Input's, with defaults; of a build's version it is the release.
	ControlPlane      bool
	KubernetesVersion string
	BootstrapMode     BootstrapMode
	ProviderIDPrefix  string
	PodNetworkMode    PodNetworkMode
	// EndpointHost and EndpointPort are the control plane's endpoint; VIP is set if control planes
	// hold and advertise it.
	EndpointHost string
	EndpointPort string
	VIP          bool
	// DataVolumes are Input's.
	DataVolumes []DataVolume
	// Settings is all of /etc/capom/node.env.
	Settings map[string]string
	// Files are all files put on the node, by path relative to its root.
	Files map[string][]byte
}

// Parse reads user data as a node would and refuses data a node could not come up with: anything
// but gzip'd multi-part MIME, a missing bootstrap or node part, damaged files, missing settings
// or key. Every error wraps ErrMalformed, and none repeats the data.
func Parse(userData []byte) (Parsed, error) {
	message, err := decompress(userData)
	if err != nil {
		return Parsed{}, err
	}
	parts, err := splitParts(message)
	if err != nil {
		return Parsed{}, err
	}
	bootstrap, script := parts[bootstrapPart], parts[nodePart]
	if !isCloudConfig(bootstrap) {
		return Parsed{}, malformed("no part %q that holds a cloud-config", bootstrapPart)
	}
	if !bytes.HasPrefix(script, []byte("#!")) {
		return Parsed{}, malformed("no part %q that holds a script: kubeadm would run without the tailnet", nodePart)
	}
	files, err := unpack(script)
	if err != nil {
		return Parsed{}, err
	}
	return parseFiles(bootstrap, files)
}

func parseFiles(bootstrap []byte, files map[string][]byte) (Parsed, error) {
	settings, err := unmarshalEnv(files[nodeEnvPath])
	if err != nil {
		return Parsed{}, err
	}
	for _, key := range []string{"CAPOM_HOSTNAME", "CAPOM_ROLE", "CAPOM_KUBERNETES_VERSION", "CAPOM_ENDPOINT_HOST"} {
		if settings[key] == "" {
			return Parsed{}, malformed("%s does not set %s", nodeEnvPath, key)
		}
	}
	volumes, err := parseVolumeTable(files[volumesPath])
	if err != nil {
		return Parsed{}, err
	}
	authKey := bytes.TrimSuffix(files[authKeyPath], []byte("\n"))
	if len(authKey) == 0 {
		return Parsed{}, malformed("no auth key: the node could not join the tailnet")
	}
	return Parsed{
		Bootstrap:   bootstrap,
		AuthKey:     Secret(authKey),
		Hostname:    settings["CAPOM_HOSTNAME"],
		LoginServer: settings["CAPOM_LOGIN_SERVER"],

		HostnameOfInstance: settings["CAPOM_HOSTNAME_SUFFIX"] == "instance",

		ControlPlane:      settings["CAPOM_ROLE"] == "control-plane",
		KubernetesVersion: settings["CAPOM_KUBERNETES_VERSION"],
		BootstrapMode:     BootstrapMode(settings["CAPOM_BOOTSTRAP_MODE"]),
		ProviderIDPrefix:  settings["CAPOM_PROVIDER_ID_PREFIX"],
		PodNetworkMode:    PodNetworkMode(settings["CAPOM_POD_NETWORK"]),
		EndpointHost:      settings["CAPOM_ENDPOINT_HOST"],
		EndpointPort:      settings["CAPOM_ENDPOINT_PORT"],
		VIP:               settings["CAPOM_VIP"] != "",
		DataVolumes:       volumes,
		Settings:          settings,
		Files:             files,
	}, nil
}

// HostnameOf is the name on the tailnet of the instance with this user data.
func (p Parsed) HostnameOf(instanceID string) string {
	if p.HostnameOfInstance {
		return InstanceHostname(p.Hostname, instanceID)
	}
	return p.Hostname
}

// splitParts gives the content of every part by its file name.
func splitParts(message []byte) (map[string][]byte, error) {
	envelope, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return nil, malformed("no MIME header")
	}
	mediaType, params, err := mime.ParseMediaType(envelope.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(mediaType, "multipart/") || params["boundary"] == "" {
		return nil, malformed("not multi-part MIME")
	}
	parts := map[string][]byte{}
	for reader := multipart.NewReader(envelope.Body, params["boundary"]); ; {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, malformed("multi-part MIME is cut short")
		}
		var content io.Reader = part
		if part.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			content = quotedprintable.NewReader(part)
		}
		if parts[part.FileName()], err = io.ReadAll(content); err != nil {
			return nil, malformed("part %q cannot be decoded", part.FileName())
		}
	}
}
