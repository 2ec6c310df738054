// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	cabpk "sigs.k8s.io/cluster-api/bootstrap/kubeadm/pkg/cloudinit"
	"sigs.k8s.io/cluster-api/util/certs"
	"sigs.k8s.io/cluster-api/util/secret"
)

const (
	joinFile = "write_files:\n- path: /run/kubeadm/kubeadm-join-config.yaml\n  content: |\n    kind: JoinConfiguration\n"
	joins    = "runcmd:\n- kubeadm join --config /run/kubeadm/kubeadm-join-config.yaml\n"
	joinData = "#cloud-config\n" + joinFile + joins
)

func gzipped(data string) string {
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, _ = writer.Write([]byte(data))
	_ = writer.Close()
	return out.String()
}

// unjoinable is bootstrap data with which no machine becomes a node, with a part of the reason.
var unjoinable = map[string]struct{ data, reason string }{
	"RKE2's": {"## template: jinja\n#cloud-config\n\nwrite_files:\n-   path: /etc/rancher/rke2/config.yaml\n    content: |\n" +
		"      server: https://10.250.0.1:9345\nruncmd:\n  - sh /opt/install.sh\n  - systemctl start rke2-server.service\n", "RKE2"},
	"k3s'":                     {"## template: jinja\n#cloud-config\nwrite_files:\n- path: /etc/rancher/k3s/config.yaml\n  content: x\nruncmd: [systemctl start k3s]\n", "k3s"},
	"k0s'":                     {"#cloud-config\nwrite_files:\n- {path: /etc/k0s.yaml, content: x}\nruncmd: [k0s start]\n", "k0s"},
	"kubeadm by an own path":   {"#cloud-config\nwrite_files:\n- path: /etc/kubeadm/join.yaml\n  content: x\nruncmd:\n- kubeadm join --config /etc/kubeadm/join.yaml\n", "CABPK"},
	"kubeadm without a file":   {"#cloud-config\nruncmd: [kubeadm join 10.0.0.1:6443]\n", "/run/kubeadm/kubeadm.yaml"},
	"a file without kubeadm":   {"#cloud-config\n" + joinFile + "runcmd: [ls]\n", "runcmd"},
	"a file and no command":    {"#cloud-config\n" + joinFile, "runcmd"},
	"a command that is a map":  {"#cloud-config\n" + joinFile + "runcmd:\n- echo a: b\n- kubeadm join\n", "line 7"},
	"an open bracket":          {"#cloud-config\nruncmd:\n- [unterminated\n", "YAML"},
	"an open bracket in Jinja": {"## template: jinja\n#cloud-config\nruncmd:\n- [hunter2\n", "YAML"},
	"tabs":                     {"#cloud-config\nwrite_files:\n\t- path: /run/kubeadm/kubeadm.yaml\n", "YAML (line"},
	"an unknown anchor":        {"#cloud-config\nruncmd: [*hunter2]\n", "YAML"},
	"two documents":            {joinData + "---\n" + joinFile, "more than one"},
	"a list":                   {"#cloud-config\n- kubeadm join\n", "mapping"},
	"an archive of parts":      {"#cloud-config-archive\n- {type: text/cloud-config, content: x}\n", "mapping"},
	"only a header":            {"#cloud-config\n", "empty"},
	"only comments":            {"#cloud-config\n# kubeadm\n", "empty"},
	"a text":                   {"#cloud-config\nkubeadm\n", "mapping"},
	"Talos'":                   {"version: v1alpha1\nmachine:\n  type: worker\n", "Talos"},
	"Talos' below Jinja":       {"## template: jinja\nversion: v1alpha1\nmachine:\n  type: worker\n", "Talos"},
	"Ignition":                 {`{"ignition": {"version": "3.4.0"}}`, "Ignition"},
	"MIME":                     {"Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n\n--x\n\n#cloud-config\n--x--\n", "MIME"},
	"a script":                 {"#!/bin/sh\nkubeadm join\n", "script"},
	"a script below Jinja":     {"## template: jinja\n#!/bin/sh\nkubeadm join\n", "script"},
	"gzip":                     {gzipped(joinData), "gzip"},
	"base64":                   {base64.StdEncoding.EncodeToString([]byte(joinData)), "base64"},
	"base64 of gzip":           {base64.StdEncoding.EncodeToString([]byte(gzipped(joinData))), "base64"},
	"a byte order mark":        {"\ufeff" + joinData, "byte order mark"},
	"nothing":                  {"", "empty"},
	"spaces":                   {" \n\t\n", "empty"},
	"a shell's length in a file": {"## template: jinja\n#cloud-config\nwrite_files:\n- path: /run/kubeadm/kubeadm.yaml\n  content: |\n" +
		"    echo ${#hunter2}\n" + joins, "line 6"},
	"an open expression":       {"## template: jinja\n#cloud-config\n" + joinFile + "- {path: /a, content: '{{ hunter2'}\n" + joins, "line 7"},
	"Go's template":            {"## template: jinja\n#cloud-config\n" + joinFile + "- {path: /a, content: '{{ .Hunter2 }}'}\n" + joins, "Go's"},
	"a tab in front of a file": {"#cloud-config\nwrite_files:\n- path: /run/kubeadm/kubeadm.yaml\n \tcontent: a\n" + joins, "YAML (line"},
	"a file swallowed by the line in front": {"## template: jinja\n#cloud-config\nwrite_files:\n- path: /a\n  content: |\n    {% raw %}${#a}{% endraw %}\n" +
		strings.TrimPrefix(joinFile, "write_files:\n") + joins, "write_files holds neither"},
	"an open raw block":      {"## template: jinja\n#cloud-config\n" + joinFile + "- {path: /a, content: '{% raw %} hunter2'}\n" + joins, "endraw"},
	"a command that is true": {"#cloud-config\n" + joinFile + "runcmd:\n- true\n- kubeadm join\n", "line 7"},
	"a text for base64":      {beforeKubeadm("{path: /a, encoding: base64, content: 'hunter2, in the clear'}"), "file /a is not the base64"},
	"a script for base64":    {beforeKubeadm("{path: /a, encoding: b64, content: \"#!/bin/sh\\necho hi\\n\"}"), "file /a is not the base64"},
	"base64 without padding": {beforeKubeadm("{path: /a, encoding: BASE64, content: aGVsbG8}"), "file /a is not the base64"},
	"accents for base64":     {beforeKubeadm("{path: /a, encoding: base64, content: é}"), "file /a is not the base64"},
	"a text for gzip":        {beforeKubeadm("{path: /a, encoding: gzip, content: hunter2}"), "file /a is not the gzip"},
	"base64 for gzip":        {beforeKubeadm("{path: /a, encoding: gzip+base64, content: aGVsbG8=}"), "file /a is not the gzip"},
	"a number for a file":    {beforeKubeadm("{path: /a, content: 5}"), "file /a is no text"},
	"nothing for a file":     {beforeKubeadm("{path: /a, content: }"), "file /a is no text"},
	"a date for a file":      {beforeKubeadm("{path: /a, content: 2026-11-29}"), "file /a is no text"},
	"an owner by number":     {beforeKubeadm("{path: /a, content: x, owner: \"1000:1000\"}"), "owner of file /a is a number"},
	"a group by number":      {beforeKubeadm("{path: /a, content: x, owner: \"root:0\"}"), "owner of file /a is a number"},
	"a map for a file":       {beforeKubeadm("{path: /a, content: {b: hunter2}}"), "file /a is no text"},
	"an expression's quote":  {"## template: jinja\n#cloud-config\n" + joinFile + "- {path: /a, content: {{ \"hunter2 }}}\n" + joins, "line 7"},
}

// beforeKubeadm has another file ahead of kubeadm's: cloud-init ends at the first that it cannot
// write.
func beforeKubeadm(file string) string {
	return "## template: jinja\n#cloud-config\nwrite_files:\n- " + file + "\n" + strings.TrimPrefix(joinFile, "write_files:\n") + joins
}

func TestBootstrapDataThatCanNeverJoinIsRefused(t *testing.T) {
	for name, tc := range unjoinable {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)

			err := CheckBootstrap([]byte(tc.data), FormatCloudConfig)

			var refused *InvalidInputError
			g.Expect(errors.As(err, &refused)).To(BeTrue(), "%v", err)
			g.Expect(refused.Reason).To(ContainSubstring(tc.reason))
			g.Expect(strings.ToLower(err.Error())).NotTo(ContainSubstring("hunter2"), "what is quoted may be a secret")
		})
	}
	t.Run("another format", func(t *testing.T) {
		var unsupported *UnsupportedFormatError
		NewWithT(t).Expect(errors.As(CheckBootstrap([]byte(joinData), "ignition"), &unsupported)).To(BeTrue())
	})
}

// joinable is bootstrap data out of the ordinary with which a machine becomes a node.
var joinable = map[string]string{
	"by hand":                    joinData,
	"with Jinja":                 "## template: jinja\n" + joinData,
	"with a small header":        "## Template: Jinja\n#Cloud-Config\n" + joinFile + joins,
	"carriage returns":           strings.ReplaceAll("## template: jinja\n"+joinData, "\n", "\r\n"),
	"blank lines first":          "\n\n" + joinData,
	"one document that is begun": "#cloud-config\n---\n" + joinFile + joins,
	"one document that is ended": joinData + "...\n",
	"flow style":                 "#cloud-config\n{write_files: [{path: /run/kubeadm/kubeadm.yaml, content: a}], runcmd: [[kubeadm, init]]}\n",
	"anchors": "#cloud-config\nfile: &f {path: /run/kubeadm/kubeadm.yaml, content: a}\nwrite_files: [*f]\n" +
		"cmds: &c [kubeadm init]\nruncmd: *c\n",
	"a key twice":                   "#cloud-config\nruncmd: []\n" + joinFile + joins,
	"accents":                       joinData + "final_message: \"déjà vu 🚀\"\n",
	"a script that runs it":         "#cloud-config\n" + joinFile + "- {path: /opt/start, content: \"kubeadm join\"}\nruncmd: [[sh, /opt/start]]\n",
	"a file in base64":              "#cloud-config\nwrite_files: [{path: /run/kubeadm/kubeadm.yaml, encoding: b64, content: YQ==}]\nruncmd: [kubeadm init]\n",
	"an expression":                 "## template: jinja\n#cloud-config\n" + joinFile + "- {path: /a, content: \"{{ ds.meta_data['instance_id'] }} {{ {'a': {}} | length }}\"}\n" + joins,
	"an expression for a value":     "## template: jinja\n#cloud-config\nhostname: {{ ds.meta_data.instance_id }}\n" + joinFile + joins,
	"a statement":                   "## template: jinja\n#cloud-config\n{% if true %}\n" + joinFile + "{% endif %}\n" + joins,
	"a comment":                     "## template: jinja\n#cloud-config\n{# [a #}\n" + joinFile + joins,
	"a raw block":                   "## template: jinja\n#cloud-config\n" + joinFile + "- {path: /a, content: '{% raw %}${#a} {{ .B }}{%- endraw %}'}\n" + joins,
	"a file that begins with a tab": "#cloud-config\n" + joinFile + "- path: /a\n  content: |\n    \tall:\n    \t\tmake\n" + joins,
	"an empty line and a tab":       "## template: jinja\n#cloud-config\n" + joinFile + "- path: /a\n  content: |-\n\n    \tall:\n" + joins,
	"a comment of two lines":        "## template: jinja\n#cloud-config\n" + joinFile + joins + "hostname: {# a\n- b #} c\n",
	"a raw block with a line end": "## template: jinja\n#cloud-config\nwrite_files:\n- path: /a\n  content: |\n    {% raw %}${#a}{% endraw %}\n\n" +
		strings.TrimPrefix(joinFile, "write_files:\n") + joins,
	"a raw block that keeps its line end": "## template: jinja\n#cloud-config\nwrite_files:\n- path: /a\n  content: |\n    {% raw %}${#a}{% endraw +%}\n" +
		strings.TrimPrefix(joinFile, "write_files:\n") + joins,
	"a raw block between hyphens": "## template: jinja\n#cloud-config\n" + joinFile + "- {path: /a, content: 'x\n  {%- raw -%}\n ${#a} {%- endraw -%}\n  y'}\n" + joins,
	"files of all encodings": beforeKubeadm("{path: /a, encoding: base64, content: \"aGVs\\nbG8=\\n\"}\n" +
		"- {path: /b, encoding: gzip+base64, content: H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==}\n- {path: /c, encoding: B64, content: ''}\n" +
		"- {path: /d, encoding: rot13, content: x}\n- {path: /e, content: 2026-11-29 text}\n- {path: /f}\n- {path: /g, content: !!binary aGVsbG8=}\n" +
		"- {encoding: base64, content: no path}\n- {path: /h, encoding: base64, content: '{{ \"aGVsbG8=\" }}'}"),
	"a broken file after kubeadm's":  "#cloud-config\n" + joinFile + "- {path: /a, encoding: base64, content: x}\n" + joins,
	"a broken file that is deferred": beforeKubeadm("{path: /a, encoding: base64, content: x, defer: true}"),
	"owners by name":                 beforeKubeadm("{path: /a, content: x, owner: \"root:root\"}\n- {path: /b, content: x, owner: user1}\n- {path: /c, content: x, owner: \"root:-1\"}"),
	"a comment among commands":       "#cloud-config\n" + joinFile + "runcmd:\n-\n- [sleep, 1]\n- kubeadm join\n",
	"a shell's length":               "#cloud-config\n" + joinFile + "- {path: /a, content: '${#a} {{ .B }}'}\n" + joins,
	"a shell's closed comment":       "## template: jinja\n#cloud-config\n" + joinFile + "- {path: /a, content: '${#a} ${b#}'}\n" + joins,
}

func TestBootstrapDataThatCanJoinPasses(t *testing.T) {
	for name, data := range joinable {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(CheckBootstrap([]byte(data), "")).To(Succeed())
		})
	}
}

func TestTheRealCloudInitRunsKubeadmForWhatPasses(t *testing.T) {
	for name, data := range joinable {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := controlPlaneInput()
			in.Bootstrap = []byte(data)
			userData, err := Render(in)
			g.Expect(err).NotTo(HaveOccurred())

			seen := consume(t, userData)

			g.Expect(seen.Order).To(ContainElement("runcmd"))
			g.Expect(seen.Files).To(Or(HaveKey(kubeadmInitPath), HaveKey(kubeadmJoinPath)))
		})
	}
}

// baseData has all that a KubeadmConfig may ask for beside kubeadm itself.
func baseData() cabpk.BaseUserData {
	content := "it's \"quoted\": {{ ds[\"id\"] }} # é 🚀\n\ttab\n\n  - [a\n"
	return cabpk.BaseUserData{
		BootCommands:        []string{"echo 'boot: \"x\"' > /dev/null", "a: b", "- c"},
		PreKubeadmCommands:  []string{"hostname \"{{ ds.meta_data.hostname }}\"", "echo \"a: b\" \\\n && true", "# c", "é 🚀"},
		PostKubeadmCommands: []string{"systemctl is-active kubelet"},
		AdditionalFiles: []bootstrapv1.File{
			{Path: "/etc/odd", Owner: "root:root", Permissions: "0644", Content: content},
			{Path: "/etc/appended", Append: ptr.To(true), Encoding: bootstrapv1.Base64, Content: "aGVsbG8="},
			{Path: "/etc/kubernetes/audit.yaml", Content: "---\nkind: Policy\n---\nkind: Other"},
		},
		Users: []bootstrapv1.User{{
			Name: "ops", Gecos: "Op Erator", Groups: "adm, sudo", HomeDir: "/home/ops", Inactive: ptr.To(false), Shell: "/bin/bash",
			Passwd: "$6$rounds=4096$abc$def", PrimaryGroup: "ops", LockPassword: ptr.To(true), Sudo: "ALL=(ALL) NOPASSWD:ALL",
			SSHAuthorizedKeys: []string{"ssh-ed25519 AAAA ops@example"},
		}},
		NTP: &bootstrapv1.NTP{Enabled: ptr.To(true), Servers: []string{"169.254.169.254", "0.pool.ntp.org"}},
		DiskSetup: &bootstrapv1.DiskSetup{
			Partitions:  []bootstrapv1.Partition{{Device: "/dev/sdb", Layout: ptr.To(true), Overwrite: ptr.To(false), TableType: "gpt"}},
			Filesystems: []bootstrapv1.Filesystem{{Device: "/dev/sdb", Filesystem: "ext4", Label: "data", Partition: "auto", ExtraOpts: []string{"-E", "lazy_itable_init=1"}}},
		},
		Mounts:           []bootstrapv1.MountPoints{{"LABEL=data", "/data", "auto", "defaults,nofail"}},
		KubeadmVerbosity: "--v 5",
	}
}

func certificates() secret.Certificates {
	pair := bytes.Repeat([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 2)
	all := secret.NewCertificatesForInitialControlPlane(&bootstrapv1.ClusterConfiguration{})
	for _, c := range all {
		c.KeyPair = &certs.KeyPair{Cert: pair, Key: pair}
	}
	return all
}

func TestAllThatTheKubeadmBootstrapProviderWritesPasses(t *testing.T) {
	node := func(base cabpk.BaseUserData) ([]byte, error) {
		return cabpk.NewNode(&cabpk.NodeInput{BaseUserData: base, JoinConfiguration: "---\nkind: JoinConfiguration\nnodeRegistration:\n  name: '{{ ds.meta_data.hostname }}'"})
	}
	initial := func(base cabpk.BaseUserData) ([]byte, error) {
		return cabpk.NewInitControlPlane(&cabpk.ControlPlaneInput{
			BaseUserData: base, Certificates: certificates(),
			ClusterConfiguration: "---\nkind: ClusterConfiguration", InitConfiguration: "---\nkind: InitConfiguration",
		})
	}
	further := func(base cabpk.BaseUserData) ([]byte, error) {
		return cabpk.NewJoinControlPlane(&cabpk.ControlPlaneJoinInput{
			BaseUserData: base, Certificates: certificates(), JoinConfiguration: "---\nkind: JoinConfiguration\ncontrolPlane: {}",
		})
	}
	for name, write := range map[string]func(cabpk.BaseUserData) ([]byte, error){"worker": node, "first control plane": initial, "further control plane": further} {
		for base, of := range map[string]cabpk.BaseUserData{"nothing more": {}, "everything": baseData()} {
			t.Run(name+" with "+base, func(t *testing.T) {
				g := NewWithT(t)
				data, err := write(of)
				g.Expect(err).NotTo(HaveOccurred())

				g.Expect(CheckBootstrap(data, FormatCloudConfig)).To(Succeed(), string(data))

				in := controlPlaneInput()
				in.Bootstrap = data
				userData, err := Render(in)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(consume(t, userData).Order).To(Equal([]string{nodePart, "runcmd"}))
			})
		}
	}
}

func TestAnExternalCloudProviderIsSeen(t *testing.T) {
	file := func(path, content string) string {
		return "## template: jinja\n#cloud-config\nwrite_files:\n- path: " + path + "\n  content: |\n    " +
			strings.ReplaceAll(strings.TrimSpace(content), "\n", "\n    ") + "\n" + joins
	}
	list := "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\nnodeRegistration:\n  kubeletExtraArgs:\n" +
		"  - {name: cloud-provider, value: external}\n  - {name: provider-id, value: 'oci://{{ ds[\"id\"] }}'}\n"
	encoded := func(path, encoding string, content []byte) string {
		return "#cloud-config\nwrite_files:\n- path: " + path + "\n  encoding: " + encoding + "\n  content: " +
			base64.StdEncoding.EncodeToString(content) + "\n" + joins
	}
	runs := func(command string) string {
		return strings.Replace(joinData, "runcmd:\n", "runcmd:\n- "+command+"\n", 1)
	}
	for name, tc := range map[string]struct {
		data     string
		external bool
	}{
		"kubelet's own file in base64": {encoded("/etc/default/kubelet", "b64", []byte("KUBELET_EXTRA_ARGS=--cloud-provider=external\n")), true},
		"kubelet's own file, packed":   {encoded("/etc/default/kubelet", "gz+b64", []byte(gzipped("KUBELET_EXTRA_ARGS=--cloud-provider=external\n"))), true},
		"kubeadm's file in base64":     {encoded(kubeadmJoinPath, "base64", []byte(list)), true},
		"an unpackable file":           {encoded("/etc/default/kubelet", "gz+b64", []byte("--cloud-provider=external")), false},
		"a command":                    {runs(`echo KUBELET_EXTRA_ARGS=--cloud-provider=external >/etc/default/kubelet`), true},
		"a command's words":            {runs(`[sed, -i, "s/$/ --cloud-provider=external/", /etc/default/kubelet]`), true},
		"another command":              {runs(`echo "# --cloud-provider=external"`), false},
		"a list":                       {file(kubeadmJoinPath, list), true},
		"a map":                        {file(kubeadmJoinPath, "nodeRegistration:\n  kubeletExtraArgs:\n    cloud-provider: external\n    v: \"2\"\n"), true},
		"the second document":          {file(kubeadmInitPath, "kind: ClusterConfiguration\n---\n"+list), true},
		"kubelet's own file":           {file("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=--v=2 --cloud-provider=external\n"), true},
		"a comment":                    {file("/etc/default/kubelet", "# not --cloud-provider=external\n"), false},
		"another provider":             {file(kubeadmJoinPath, strings.ReplaceAll(list, "value: external", "value: ''")), false},
		"the controller manager's":     {file(kubeadmInitPath, "kind: ClusterConfiguration\ncontrollerManager:\n  extraArgs:\n  - {name: cloud-provider, value: external}\n"), false},
		"nothing":                      {joinData, false},
		"kubeadm's file is no YAML":    {file(kubeadmJoinPath, "[a"), false},
		"the bootstrap data is broken": {"#cloud-config\n[", false},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(CloudProviderExternal([]byte(tc.data))).To(Equal(tc.external))
		})
	}
}

// expressions tells what Jinja can read from what it cannot.
var expressions = map[string]bool{
	"{{json .}}": false, "{{ json . }}": false, "{{ range . }}": false, `{{ printf "%s" .A }}`: false, `{{ include "x" . }}`: false,
	`{{ template "x" . }}`: false, "{{ .A }}": false, `{{ a | default "x" }}`: false, "{{ a b }}": false, "{{ a 1 }}": false, "{{ f(.A) }}": false,
	"{{ $a }}": false, "{{ a.$b }}": false, "{{ if x }}": false, "{{- a b -}}": false, "{{ a and b c }}": false,
	"{{ a }}": true, "{{- a.b -}}": true, "{{ a . b }}": true, "{{ a .b }}": true, "{{ a.0.b }}": true, "{{ 1.5 }}": true, "{{ -1 + a }}": true,
	"{{ a | default('x') }}": true, `{{ "a" 'b' }}`: true, "{{ a if b else c }}": true, "{{ a not in b and not c }}": true, "{{ not a }}": true,
	"{{ a is defined }}": true, "{{ a is not defined and b }}": true, "{{ a is divisibleby 3 }}": true, "{{ a['b'] ~ c[0] }}": true,
	"{{ a is divisibleby 3 or b }}": true, "{{ [a, 'b', {'c': 1}] | length }}": true, "{{ é }}": true, "{{ a in [1] }}": true, "{{ f(a=1, *b) }}": true,
}

func TestOnlyWhatJinjaCanReadIsAnExpression(t *testing.T) {
	for text, readable := range expressions {
		_, _, err := withoutJinja(text)
		NewWithT(t).Expect(err == nil).To(Equal(readable), text)
	}
}

// jinja renders texts as cloud-init does, with its missing variables put as "jinja" here.
const jinja = `
import json, sys
from jinja2 import Template, Undefined, TemplateSyntaxError
class Missing(Undefined):
    def __str__(self): return "jinja"
    def __getattr__(self, name): return self
out = []
for text in json.load(sys.stdin):
    try:
        out.append(Template(text, undefined=Missing, trim_blocks=True).render())
    except TemplateSyntaxError:
        out.append(None)
    except Exception:
        out.append("")
json.dump(out, sys.stdout)
`

func TestTextsAreReadAsJinjaReadsThem(t *testing.T) {
	g := NewWithT(t)
	var texts []string
	for text := range expressions {
		texts = append(texts, text)
	}
	trimmed := []string{
		"a {% raw %}\nb{% endraw %}\nc", "a {%- raw -%}\n b {%- endraw -%}\n c\nd", "a\n{# b\n c #}\nd\ne", "a\n{# b +#}\nc", "a {#- b -#} \n c",
		"{% if true %}\na\n{% endif +%}\nb", "a {{- b -}} \n c", "{{ b }}\nc", "a {% raw %}x{% endraw +%}\nb", "a\r\n{# b #}\r\nc",
	}
	texts = append(texts, trimmed...)
	in, err := json.Marshal(texts)
	g.Expect(err).NotTo(HaveOccurred())
	// The interpreter of cloud-init has Jinja, since cloud-init needs it.
	command := exec.Command(cloudInitPython(t), "-c", jinja)
	command.Stdin = bytes.NewReader(in)
	out, err := command.Output()
	g.Expect(err).NotTo(HaveOccurred())
	var rendered []*string
	g.Expect(json.Unmarshal(out, &rendered)).To(Succeed())
	lines := regexp.MustCompile(`\n+`)
	for i, text := range texts {
		if readable, is := expressions[text]; is {
			g.Expect(rendered[i] != nil).To(Equal(readable), text)
			continue
		}
		plain, _, err := withoutJinja(text)
		g.Expect(err).NotTo(HaveOccurred(), text)
		g.Expect(lines.ReplaceAllString(plain, "\n")).To(Equal(lines.ReplaceAllString(*rendered[i], "\n")), text)
	}
}

func FuzzCheckBootstrap(f *testing.F) {
	for _, tc := range unjoinable {
		f.Add([]byte(tc.data))
	}
	for _, data := range joinable {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := CheckBootstrap(data, "")
		var refused *InvalidInputError
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("an error without the field's name: %v", err)
		}
		_, _ = CloudProviderExternal(data), AuthoritiesIn(data)
	})
}
