// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package boot_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	kubeadmcloudinit "sigs.k8s.io/cluster-api/bootstrap/kubeadm/pkg/cloudinit"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
)

const text = "Grüße aus Zürich, 雪 und ☃: \"quoted\", 'quoted', $HOME `true` \\ %s\n"

func zipped(content string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(content))
	_ = w.Close()
	return out.Bytes()
}

// everyEncoding is bootstrap data with files of every kind, and failing commands; filler makes it
// as large as needed.
func everyEncoding(filler string) []byte {
	data := workerData(func(in *kubeadmcloudinit.NodeInput) {
		in.AdditionalFiles = []bootstrapv1.File{
			{Path: "/opt/files/plain", Content: text},
			{Path: "/opt/files/base64", Content: base64.StdEncoding.EncodeToString([]byte(text)), Encoding: bootstrapv1.Base64},
			{Path: "/opt/files/gzip-base64", Content: base64.StdEncoding.EncodeToString(zipped(text)), Encoding: bootstrapv1.GzipBase64},
			{Path: "/opt/files/owned", Content: text, Owner: "nobody:nogroup", Permissions: "0640"},
			{Path: "/opt/files/appended", Content: text},
			{Path: "/opt/files/appended", Content: "second\n", Append: ptr.To(true)},
			{Path: "/etc/hosts", Content: "192.0.2.1 appended\n", Append: ptr.To(true)},
			{Path: "/opt/files/rendered", Content: "{{ ds.meta_data.local_hostname }} {{ v1.instance_id }}\n"},
			{Path: "/opt/files/filler", Content: filler},
		}
		in.PreKubeadmCommands = []string{"false", "echo before >>/opt/files/commands"}
		in.PostKubeadmCommands = []string{"echo after >>/opt/files/commands", "sh -c 'exit 7'"}
	})
	// Cluster API's bootstrap provider takes gzip without base64, but cannot write it; other
	// providers can.
	binary := "write_files:\n-   path: /opt/files/gzip\n    encoding: gzip\n    content: !!binary " + base64.StdEncoding.EncodeToString(zipped(text)) + "\n"
	return bytes.Replace(data, []byte("write_files:\n"), []byte(binary), 1)
}

// fill finds the input for user data just under the limit.
func (b *bench) fill(in cloudinit.Input) cloudinit.Input {
	b.t.Helper()
	random := make([]byte, 24000)
	_, _ = rand.Read(random)
	filler := base64.StdEncoding.EncodeToString(random)
	for size := len(filler); size > 0; size -= 40 {
		in.Bootstrap = everyEncoding(filler[:size] + "\n")
		userData, err := cloudinit.Render(in)
		b.Expect(err).NotTo(HaveOccurred())
		if cloudinit.Size(userData, nil) <= cloudinit.MaxMetadataBytes-len(sshKeys)-1 {
			return in
		}
	}
	b.t.Fatal("the user data is too large without any filler")
	return in
}

// sshKeys is a metadata key known to OCI.
const sshKeys = "ssh_authorized_keys"

func TestUserDataOfEveryKindAndOfTheGreatestSizeIsCarriedOut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := input("userdata-1", nil)
	key, err := clouds.CreateKey(b.t.Context(), time.Hour, nodeTag)
	b.Expect(err).NotTo(HaveOccurred())
	in.Tailnet.AuthKey, in.Tailnet.LoginServer = cloudinit.Secret(key.Key), "https://"+coordinationAddress
	in.KubernetesVersion = newestVersion()
	in = b.fill(in)
	userData, err := cloudinit.Render(in)
	b.Expect(err).NotTo(HaveOccurred())
	rest := cloudinit.MaxMetadataBytes - cloudinit.Size(userData, nil) - len(sshKeys)
	metadata := map[string]string{sshKeys: strings.Repeat("k", rest)}
	b.Expect(cloudinit.Size(userData, metadata)).To(Equal(32000))
	b.Expect(cloudinit.CheckSize(userData, map[string]string{sshKeys: metadata[sshKeys] + "k"})).To(MatchError(cloudinit.ErrTooLarge), "one byte over")

	s := b.boot(world.SoloOptions{Account: alpha, Input: in, Metadata: metadata, Files: files()})

	s.joinedWithErrors()
	b.Expect(s.sh(asService + "curl -sf -H 'Authorization: Bearer Oracle' http://169.254.169.254/opc/v2/instance/metadata/user_data")).To(Equal(s.UserData))
	b.Expect(s.sh(asService + "curl -sf -H 'Authorization: Bearer Oracle' http://169.254.169.254/opc/v2/instance/metadata/" + sshKeys)).To(HaveLen(rest))
	want := strings.TrimSpace(text)
	for _, file := range []string{"plain", "base64", "gzip", "gzip-base64", "owned"} {
		b.Expect(s.sh("cat /opt/files/"+file)).To(Equal(want), file)
	}
	b.Expect(s.sh("cat /opt/files/appended")).To(Equal(want + "\nsecond"))
	b.Expect(s.sh("stat -c '%U:%G %a' /opt/files/owned")).To(Equal("nobody:nogroup 640"))
	b.Expect(s.sh("cat /etc/hosts")).To(And(ContainSubstring("127.0.0.1"), HaveSuffix("192.0.2.1 appended")))
	b.Expect(s.sh("cat /opt/files/rendered")).To(Equal(s.Name + " " + s.ID))
	b.Expect(s.sh("cat " + record)).To(ContainSubstring("name: '" + s.Name + "'"))

	b.Expect(s.sh("cat /opt/files/commands")).To(Equal("before\nafter"), "later commands run after one that failed")
	s.console(soon, "Failed to run module scripts-user")
	b.Expect(s.sh("cloud-init status --long || true")).To(ContainSubstring("status: error"))
	b.Expect(s.sh("cat /var/log/cloud-init.log")).To(ContainSubstring("1 failures (runcmd)"), "what failed is named, and it is not our script")
	b.Expect(s.sh("cat /run/cluster-api/bootstrap-success.complete")).To(Equal("success"))
	b.Expect(s.sh("journalctl -b -u capom-join -u tailscaled --no-pager")).NotTo(ContainSubstring(key.Key))
}

func newestVersion() string {
	versions := clouds.Programs.Assets.Versions()
	return versions[len(versions)-1]
}

// joinedWithErrors waits until kubeadm's stand-in has run and cloud-init has ended with errors.
func (s *solo) joinedWithErrors() {
	s.bench.t.Helper()
	s.bench.Eventually(func() bool { return s.kubeadmRan() }, booted).Should(BeTrue(), "kubeadm runs on %s", s.Name)
	s.bench.Eventually(s.ask("cloud-init status || true"), soon).Should(ContainSubstring("error"))
}

func TestKubeadmThatFailsIsReportedAndLeavesNoMark(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	failing := workerData(func(in *kubeadmcloudinit.NodeInput) {
		in.WriteFiles[0].Content = standIn + "echo 'error execution phase preflight: nobody listens' >&2\nexit 1\n"
	})

	s := b.boot(world.SoloOptions{Account: bravo, Input: input("failing-1", failing), Files: files()})

	s.joinedWithErrors()
	s.console(soon, "error execution phase preflight: nobody listens")
	b.Expect(s.try("test -e /run/cluster-api/bootstrap-success.complete")).To(BeFalse())
	device, err := s.Device(b.t.Context())
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(device.Online).To(BeTrue(), "the machine is on the tailnet all the same, where it can be looked at")
}
