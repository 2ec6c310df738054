// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Files of the kubeadm bootstrap provider, by which kubeadm runs (Cluster API,
// bootstrap/kubeadm/pkg/cloudinit).
const (
	kubeadmInitPath = "/run/kubeadm/kubeadm.yaml"
	kubeadmJoinPath = "/run/kubeadm/kubeadm-join-config.yaml"
)

const onlyKubeadm = "only the kubeadm bootstrap provider (CABPK, kind KubeadmConfig) with format cloud-config is supported"

// others are folders by which bootstrap data of other providers is known.
var others = []struct{ prefix, provider string }{
	{"/etc/rancher/rke2", "RKE2"}, {"/etc/rancher/k3s", "k3s"}, {"/etc/k0s", "k0s"}, {"/capi-scripts", "MicroK8s"},
}

// bootstrapConfig is what cloud-init reads of the bootstrap data, as far as it matters here.
type bootstrapConfig struct {
	files  []bootstrapFile
	runcmd []string
}

type bootstrapFile struct {
	path, content, encoding, owner string
	isText, deferred               bool
}

// CheckBootstrap refuses bootstrap data with which a machine never becomes a node: data that
// cloud-init does not take for a cloud-config or cannot parse, and data of other providers than
// kubeadm's, which the node's scripts cannot fit to the tailnet. Errors are *InvalidInputError and
// *UnsupportedFormatError; none repeats the data.
func CheckBootstrap(data []byte, format string) error {
	if format != "" && format != FormatCloudConfig {
		return &UnsupportedFormatError{Format: format}
	}
	if !isCloudConfig(data) {
		return invalid("Bootstrap", `%s, which starts with neither "#cloud-config" nor "## template: jinja": %s`, kindOf(data), onlyKubeadm)
	}
	config, err := readBootstrap(data)
	if err != nil {
		return err
	}
	if config == nil {
		return nil
	}
	return config.check()
}

// CloudProviderExternal tells whether the bootstrap data has kubelet wait for a cloud controller
// manager: by kubeadm's kubeletExtraArgs, or by the flag in a file or command.
func CloudProviderExternal(data []byte) bool {
	config, err := readBootstrap(data)
	if err != nil || config == nil {
		return false
	}
	return slices.ContainsFunc(config.runcmd, externalFlag.MatchString) || slices.ContainsFunc(config.files, func(f bootstrapFile) bool {
		content := f.decoded()
		if f.path == kubeadmInitPath || f.path == kubeadmJoinPath {
			return externalInKubeadm(content)
		}
		return externalFlag.MatchString(content)
	})
}

var (
	externalFlag = regexp.MustCompile(`(?m)^[^#\n]*--cloud-provider[= ]["']?external`)
	yamlLine     = regexp.MustCompile(`line [0-9]+`)
	// leadingTab is a tab at the beginning of a block's first line, behind its indentation.
	// cloud-init's PyYAML takes it as the text's, go-yaml refuses it.
	leadingTab = regexp.MustCompile(`([|>][-+0-9]*[ \t]*\r?\n(?: *\r?\n)* +)\t`)
)

func externalInKubeadm(content string) bool {
	for decoder := yaml.NewDecoder(strings.NewReader(content)); ; {
		var document struct {
			NodeRegistration struct {
				KubeletExtraArgs yaml.Node `yaml:"kubeletExtraArgs"`
			} `yaml:"nodeRegistration"`
		}
		if err := decoder.Decode(&document); err != nil {
			return false
		}
		args := &document.NodeRegistration.KubeletExtraArgs
		// kubeadm's v1beta4 has a list of names and values, v1beta3 a map.
		if valueOf(args, "cloud-provider") == "external" {
			return true
		}
		if args.Kind == yaml.SequenceNode && slices.ContainsFunc(args.Content, func(arg *yaml.Node) bool {
			return valueOf(arg, "name") == "cloud-provider" && valueOf(arg, "value") == "external"
		}) {
			return true
		}
	}
}

func (c *bootstrapConfig) check() error {
	last := -1
	for i, f := range c.files {
		if f.path == kubeadmInitPath || f.path == kubeadmJoinPath {
			last = i
		}
	}
	if last < 0 {
		for _, f := range c.files {
			for _, other := range others {
				if strings.HasPrefix(f.path, other.prefix) {
					return invalid("Bootstrap", "it is data of the bootstrap provider for %s: %s", other.provider, onlyKubeadm)
				}
			}
		}
		return invalid("Bootstrap", "write_files holds neither %s nor %s: %s", kubeadmInitPath, kubeadmJoinPath, onlyKubeadm)
	}
	for _, f := range c.files[:last+1] {
		if err := f.checkContent(); err != nil {
			return err
		}
	}
	runsKubeadm := slices.ContainsFunc(c.runcmd, func(command string) bool {
		return strings.Contains(command, "kubeadm") || slices.ContainsFunc(c.files, func(f bootstrapFile) bool {
			return f.path != "" && strings.Contains(command, f.path)
		})
	})
	if !runsKubeadm {
		return invalid("Bootstrap", "no command of runcmd runs kubeadm: %s", onlyKubeadm)
	}
	return nil
}

// readBootstrap parses a cloud-config as cloud-init does after Jinja. It is nil without an error
// where Jinja's statements decide what the YAML is, and it has all that a kubeadm bootstrap has.
func readBootstrap(data []byte) (*bootstrapConfig, error) {
	text, statements, err := plainConfig(data)
	if err != nil {
		return nil, err
	}
	config, err := parseCloudConfig(text)
	if err != nil && statements && strings.Contains(text, "/run/kubeadm/") {
		return nil, nil
	}
	return config, err
}

// plainConfig is the cloud-config without Jinja's parts, and whether there were statements of
// Jinja's among them. Lines keep their numbers.
func plainConfig(data []byte) (text string, statements bool, err error) {
	header, rest, _ := strings.Cut(strings.TrimLeft(string(data), " \t\r\n"), "\n")
	if !strings.HasPrefix(strings.ToLower(header), "## template: jinja") {
		return string(data), false, nil
	}
	if rest, statements, err = withoutJinja(rest); err != nil {
		return "", false, err
	}
	if !strings.HasPrefix(strings.ToLower(strings.TrimLeft(rest, " \t\r\n")), "#cloud-config") {
		return "", false, invalid("Bootstrap", `%s, not "#cloud-config", below Jinja's first line: %s`, kindOf([]byte(rest)), onlyKubeadm)
	}
	return "\n" + rest, statements, nil
}

func parseCloudConfig(text string) (*bootstrapConfig, error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var document yaml.Node
	err := decoder.Decode(&document)
	if err != nil && strings.Contains(err.Error(), "found a tab character where an indentation space is expected") {
		decoder, document = yaml.NewDecoder(strings.NewReader(leadingTab.ReplaceAllString(text, "${1}x"))), yaml.Node{}
		err = decoder.Decode(&document)
	}
	if errors.Is(err, io.EOF) {
		return nil, invalid("Bootstrap", "the cloud-config is empty: %s", onlyKubeadm)
	}
	if err != nil {
		// Only the line is told: what the parser quotes may be a secret.
		where := yamlLine.FindString(err.Error())
		if where != "" {
			where = " (" + where + ")"
		}
		return nil, invalid("Bootstrap", "the cloud-config is not valid YAML%s: see the files and commands of the bootstrap config", where)
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, invalid("Bootstrap", "the cloud-config has more than one YAML document, of which cloud-init reads none: %s", onlyKubeadm)
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, invalid("Bootstrap", "the cloud-config is not a mapping: %s", onlyKubeadm)
	}
	config := &bootstrapConfig{}
	for _, entry := range itemsOf(root, "write_files") {
		config.files = append(config.files, bootstrapFile{
			path: valueOf(entry, "path"), content: valueOf(entry, "content"), encoding: valueOf(entry, "encoding"), owner: valueOf(entry, "owner"),
			isText: isText(child(entry, "content")), deferred: slices.Contains([]string{"true", "1", "on", "yes"}, strings.ToLower(valueOf(entry, "defer"))),
		})
	}
	for _, entry := range itemsOf(root, "runcmd") {
		words, isCommand := []string{entry.Value}, true
		switch entry.Kind {
		case yaml.SequenceNode:
			for _, word := range entry.Content {
				words = append(words, resolve(word).Value)
			}
		case yaml.ScalarNode:
			isCommand = isText(entry) || entry.ShortTag() == "!!null"
		default:
			isCommand = false
		}
		if !isCommand {
			// cloud-init then writes no script at all (cloudinit/util.py shellify).
			return nil, invalid("Bootstrap", "line %d of the cloud-config: an entry of runcmd is neither a text nor a list: put it in quotes", entry.Line)
		}
		config.runcmd = append(config.runcmd, strings.Join(words, " "))
	}
	return config, nil
}

// resolve follows an alias to its anchor.
func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// child is the value under a key; the last one counts, as for cloud-init. It is nil for none.
func child(node *yaml.Node, key string) (found *yaml.Node) {
	if node = resolve(node); node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if resolve(node.Content[i]).Value == key {
			found = resolve(node.Content[i+1])
		}
	}
	return found
}

func valueOf(node *yaml.Node, key string) string {
	if value := child(node, key); value != nil && value.Kind == yaml.ScalarNode {
		return value.Value
	}
	return ""
}

func itemsOf(node *yaml.Node, key string) []*yaml.Node {
	list := child(node, key)
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	items := make([]*yaml.Node, 0, len(list.Content))
	for _, item := range list.Content {
		items = append(items, resolve(item))
	}
	return items
}

// kindOf says what data is that is no cloud-config.
func kindOf(data []byte) string {
	text := strings.TrimSpace(string(data[:min(len(data), 4096)]))
	lower := strings.ToLower(text)
	decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(data)), ""))
	switch {
	case text == "":
		return "the data is empty"
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		return "the data is compressed with gzip"
	case strings.HasPrefix(text, "\ufeff"):
		return "the data begins with a byte order mark, with which cloud-init knows no cloud-config"
	case strings.HasPrefix(lower, "mime-version:") || strings.HasPrefix(lower, "content-type:"):
		return "the data is multi-part MIME"
	case strings.HasPrefix(text, "#!"):
		return "the data is a script"
	case strings.HasPrefix(text, "{"):
		return "the data is JSON, such as Ignition's"
	case strings.Contains(lower, "\nmachine:"):
		return "the data is a machine configuration, such as Talos'"
	case err == nil && (isCloudConfig(decoded) || bytes.HasPrefix(decoded, []byte{0x1f, 0x8b})):
		return "the data is in base64 once too often"
	}
	return "the data is no cloud-config"
}
