// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const (
	initConfigPath = "/run/kubeadm/kubeadm.yaml"
	joinConfigPath = "/run/kubeadm/kubeadm-join-config.yaml"
	pkiPath        = "/etc/kubernetes/pki/"
)

// kubeadmRun holds the instructions for kubeadm in a node's bootstrap data.
type kubeadmRun struct {
	initialise   bool
	controlPlane bool
	// endpoint is the control plane's host:port.
	endpoint string
	nodeName string
	taints   []corev1.Taint

	// clusterConfiguration is the document uploaded by `kubeadm init`, and kubernetesVersion the
	// version in it, empty when it names none.
	clusterConfiguration string
	kubernetesVersion    string

	token        string
	caCertHashes []string

	// kubernetes and etcd are the CAs on a control plane's disk.
	kubernetes, etcd authority
}

// cloudConfig is the part of a cloud-config written by Cluster API's kubeadm bootstrap provider and
// followed by a simulated node.
type cloudConfig struct {
	WriteFiles []struct {
		Path     string `json:"path"`
		Content  string `json:"content"`
		Encoding string `json:"encoding"`
	} `json:"write_files"`
}

type nodeRegistration struct {
	Name   string          `json:"name"`
	Taints *[]corev1.Taint `json:"taints"`
}

type clusterConfiguration struct {
	KubernetesVersion    string `json:"kubernetesVersion"`
	ControlPlaneEndpoint string `json:"controlPlaneEndpoint"`
}

type initConfiguration struct {
	NodeRegistration nodeRegistration `json:"nodeRegistration"`
}

type joinConfiguration struct {
	NodeRegistration nodeRegistration `json:"nodeRegistration"`
	ControlPlane     *struct{}        `json:"controlPlane"`
	Discovery        struct {
		BootstrapToken *struct {
			Token             string   `json:"token"`
			APIServerEndpoint string   `json:"apiServerEndpoint"`
			CACertHashes      []string `json:"caCertHashes"`
		} `json:"bootstrapToken"`
	} `json:"discovery"`
}

// parseBootstrapData reads the kubeadm bootstrap provider's cloud-config, with or without a Jinja
// header. metadata are the values of ds.meta_data by name.
func parseBootstrapData(data []byte, metadata map[string]string) (kubeadmRun, error) {
	text := string(data)
	header, rest, _ := strings.Cut(text, "\n")
	if strings.TrimSpace(header) == "## template: jinja" {
		text = renderJinja(rest, metadata)
	}
	if !strings.HasPrefix(text, "#cloud-config") {
		return kubeadmRun{}, errors.New("the bootstrap data is no cloud-config")
	}
	var config cloudConfig
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		return kubeadmRun{}, errors.New("the bootstrap data is not valid YAML")
	}
	files := map[string]string{}
	for _, f := range config.WriteFiles {
		content, err := decodeContent(f.Content, f.Encoding)
		if err != nil {
			return kubeadmRun{}, fmt.Errorf("write_files: %s: %w", f.Path, err)
		}
		files[f.Path] = content
	}
	switch {
	case files[initConfigPath] != "":
		return parseInit(files)
	case files[joinConfigPath] != "":
		return parseJoin(files)
	default:
		return kubeadmRun{}, errors.New("the bootstrap data holds no kubeadm configuration")
	}
}

var jinjaVariable = regexp.MustCompile(`\{\{\s*(?:ds\.meta_data|v1)\.([A-Za-z0-9_]+)\s*\}\}`)

// renderJinja fills in instance metadata the way cloud-init does; an unknown name becomes a marker,
// not an error.
func renderJinja(text string, metadata map[string]string) string {
	return jinjaVariable.ReplaceAllStringFunc(text, func(match string) string {
		name := jinjaVariable.FindStringSubmatch(match)[1]
		if value, ok := metadata[name]; ok {
			return value
		}
		return "CI_MISSING_JINJA_VAR/" + name
	})
}

func decodeContent(content, encoding string) (string, error) {
	switch encoding {
	case "", "text/plain":
		return content, nil
	case "b64", "base64":
		decoded, err := base64.StdEncoding.DecodeString(content)
		if err != nil {
			return "", errors.New("the content is not valid base64")
		}
		return string(decoded), nil
	default:
		return "", fmt.Errorf("the encoding %q is not supported by simulated nodes", encoding)
	}
}

func parseInit(files map[string]string) (kubeadmRun, error) {
	run := kubeadmRun{initialise: true, controlPlane: true}
	documents, err := documentsByKind(files[initConfigPath])
	if err != nil {
		return run, err
	}
	var cluster clusterConfiguration
	var node initConfiguration
	if err := errors.Join(
		yaml.Unmarshal(documents["ClusterConfiguration"], &cluster),
		yaml.Unmarshal(documents["InitConfiguration"], &node),
	); err != nil {
		return run, errors.New("the kubeadm init configuration does not parse")
	}
	run.clusterConfiguration, run.kubernetesVersion = string(documents["ClusterConfiguration"]), cluster.KubernetesVersion
	run.endpoint = cluster.ControlPlaneEndpoint
	if run.endpoint == "" {
		return run, errors.New("kubeadm init: the ClusterConfiguration has no controlPlaneEndpoint")
	}
	run.register(node.NodeRegistration)
	return run, run.readAuthorities(files)
}

func parseJoin(files map[string]string) (kubeadmRun, error) {
	var run kubeadmRun
	documents, err := documentsByKind(files[joinConfigPath])
	if err != nil {
		return run, err
	}
	var join joinConfiguration
	if err := yaml.Unmarshal(documents["JoinConfiguration"], &join); err != nil {
		return run, errors.New("the kubeadm join configuration does not parse")
	}
	token := join.Discovery.BootstrapToken
	if token == nil || token.Token == "" || token.APIServerEndpoint == "" {
		return run, errors.New("kubeadm join: the JoinConfiguration has no bootstrap token or API server endpoint")
	}
	run.token, run.endpoint, run.caCertHashes = token.Token, token.APIServerEndpoint, token.CACertHashes
	run.controlPlane = join.ControlPlane != nil
	run.register(join.NodeRegistration)
	if !run.controlPlane {
		return run, nil
	}
	return run, run.readAuthorities(files)
}

func (r *kubeadmRun) register(n nodeRegistration) {
	r.nodeName = n.Name
	r.taints = defaultTaints(r.controlPlane)
	if n.Taints != nil {
		r.taints = *n.Taints
	}
}

func (r *kubeadmRun) readAuthorities(files map[string]string) error {
	var err error
	if r.kubernetes, err = parseAuthority(files[pkiPath+"ca.crt"], files[pkiPath+"ca.key"]); err != nil {
		return fmt.Errorf("the cluster CA in the bootstrap data: %w", err)
	}
	if r.etcd, err = parseAuthority(files[pkiPath+"etcd/ca.crt"], files[pkiPath+"etcd/ca.key"]); err != nil {
		return fmt.Errorf("the etcd CA in the bootstrap data: %w", err)
	}
	return nil
}

func documentsByKind(text string) (map[string][]byte, error) {
	documents := map[string][]byte{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader([]byte(text))))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		var meta struct {
			Kind string `json:"kind"`
		}
		if err != nil || yaml.Unmarshal(document, &meta) != nil {
			return nil, errors.New("the kubeadm configuration is not valid YAML")
		}
		documents[meta.Kind] = document
	}
}
