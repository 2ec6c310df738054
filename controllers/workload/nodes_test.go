// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

func kubeconfigOf(t *testing.T, change func(*api.Cluster, *api.AuthInfo)) []byte {
	t.Helper()
	cluster, user := &api.Cluster{Server: "https://10.250.0.1:6443"}, &api.AuthInfo{Token: "secret"}
	change(cluster, user)
	text, err := clientcmd.Write(api.Config{
		Clusters: map[string]*api.Cluster{"blue": cluster}, AuthInfos: map[string]*api.AuthInfo{"admin": user},
		Contexts: map[string]*api.Context{"admin@blue": {Cluster: "blue", AuthInfo: "admin"}}, CurrentContext: "admin@blue",
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return text
}

func TestAKubeconfigMustNotReachWhatIsTheManagers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	NewWithT(t).Expect(os.WriteFile(file, []byte("the manager's"), 0o600)).To(Succeed())
	for name, world := range map[string]struct {
		change func(*api.Cluster, *api.AuthInfo)
		want   string
	}{
		"data": {func(*api.Cluster, *api.AuthInfo) {}, ""},
		"a command": {func(_ *api.Cluster, user *api.AuthInfo) {
			user.Exec = &api.ExecConfig{APIVersion: "client.authentication.k8s.io/v1", Command: "sh", InteractiveMode: api.NeverExecInteractiveMode}
		}, "a command or a file"},
		"a token's file":       {func(_ *api.Cluster, user *api.AuthInfo) { user.Token, user.TokenFile = "", file }, "a command or a file"},
		"an authority's file":  {func(cluster *api.Cluster, _ *api.AuthInfo) { cluster.CertificateAuthority = file }, "a command or a file"},
		"a certificate's file": {func(_ *api.Cluster, user *api.AuthInfo) { user.ClientCertificate, user.ClientKey = file, file }, "a command or a file"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			config, err := configOf(kubeconfigOf(t, world.change))
			if world.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(config.Host).To(Equal("https://10.250.0.1:6443"))
				g.Expect(config.Timeout).To(Equal(timeout))
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(world.want)))
		})
	}
}

func TestWhatIsNoKubeconfigIsNotQuoted(t *testing.T) {
	_, err := configOf([]byte("users: [secret-key"))
	NewWithT(t).Expect(err).To(MatchError("it is not a kubeconfig"))
}
