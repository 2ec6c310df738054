// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// seenByCloudInit is the output of testdata/consume.py.
type seenByCloudInit struct {
	Parts []struct{ Type, Name, Content string }
	Files map[string]string
	Order []string
}

// cloudInitPython is the installed cloud-init's interpreter: the first line of its command.
func cloudInitPython(t *testing.T) string {
	t.Helper()
	command, err := os.Open(requireTool(t, "cloud-init", "cloud-init"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Close() }()
	first, err := bufio.NewReader(command).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(strings.TrimPrefix(first, "#!"))[0]
}

func consume(t *testing.T, userData []byte) seenByCloudInit {
	t.Helper()
	g := NewWithT(t)
	python := cloudInitPython(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "user-data")
	g.Expect(os.WriteFile(file, userData, 0o600)).To(Succeed())
	var stderr bytes.Buffer
	cmd := exec.Command(python, "testdata/consume.py", file, filepath.Join(dir, "cloud"))
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	g.Expect(err).NotTo(HaveOccurred(), stderr.String())
	var seen seenByCloudInit
	g.Expect(json.Unmarshal(out, &seen)).To(Succeed(), string(out))
	return seen
}

func TestTheRealCloudInitRunsOurScriptBeforeRuncmd(t *testing.T) {
	g := NewWithT(t)
	userData, err := Render(controlPlaneInput())
	g.Expect(err).NotTo(HaveOccurred())

	seen := consume(t, userData)

	g.Expect(seen.Order).To(Equal([]string{nodePart, "runcmd"}))
	g.Expect(seen.Parts).To(HaveLen(2))
	g.Expect(seen.Parts[0].Type).To(Equal("text/jinja2"))
	g.Expect(seen.Parts[0].Content).To(Equal(bootstrapInit))
	g.Expect(seen.Files["/run/kubeadm/kubeadm.yaml"]).To(ContainSubstring("value: oci://ocid1.instance.oc1..test"))
}

func TestTheRealCloudInitReadsBootstrapDataByteForByte(t *testing.T) {
	cases := map[string]string{
		"plain ASCII":            "#cloud-config\nruncmd: [\"a\\u00e9\"]\n\n",
		"no trailing newline":    "#cloud-config\nruncmd: []",
		"accents and emoji":      "#cloud-config\nfinal_message: \"déjà vu 🚀\"\n",
		"carriage returns":       "#cloud-config\r\nruncmd: []\r\n",
		"trailing spaces":        "#cloud-config\nruncmd: []  \n \n",
		"Jinja and other script": "## template: jinja\n#cloud-config\nfinal_message: \"é {{ ds.meta_data.instance_id }}\"\n",
		"long lines":             "#cloud-config\n# " + strings.Repeat("é=", 3000) + "\n",
	}
	for name, bootstrap := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := controlPlaneInput()
			in.Bootstrap = []byte(bootstrap)
			userData, err := Render(in)
			g.Expect(err).NotTo(HaveOccurred())

			seen := consume(t, userData)

			g.Expect(seen.Parts[0].Content).To(Equal(bootstrap))
		})
	}
}

func TestTheRealCloudInitDecodesFilesOfEveryEncoding(t *testing.T) {
	g := NewWithT(t)
	in := controlPlaneInput()
	in.Bootstrap = []byte("## template: jinja\n#cloud-config\nwrite_files:\n" +
		"- {path: /plain, content: hello}\n" +
		"- {path: /base64, encoding: base64, content: aGVsbG8=}\n" +
		"- {path: /gzip, encoding: gzip+base64, content: H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==}\n")
	userData, err := Render(in)
	g.Expect(err).NotTo(HaveOccurred())

	seen := consume(t, userData)

	g.Expect(seen.Files).To(Equal(map[string]string{"/plain": "hello", "/base64": "hello", "/gzip": "hello"}))
}

func TestBootstrapDataPassesTheRealCloudInitSchema(t *testing.T) {
	g := NewWithT(t)
	cloudInit := requireTool(t, "cloud-init", "cloud-init")
	userData, err := Render(controlPlaneInput())
	g.Expect(err).NotTo(HaveOccurred())
	parsed, err := Parse(userData)
	g.Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(t.TempDir(), "cloud-config")
	_, config, _ := bytes.Cut(parsed.Bootstrap, []byte("\n"))
	g.Expect(os.WriteFile(file, config, 0o600)).To(Succeed())

	out, err := exec.Command(cloudInit, "schema", "--config-file", file).CombinedOutput()

	g.Expect(err).NotTo(HaveOccurred(), string(out))
}
