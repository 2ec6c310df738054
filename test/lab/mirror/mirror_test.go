// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
)

func TestEachHostHasItsOwnFiles(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	for _, host := range Hosts {
		g.Expect(os.MkdirAll(filepath.Join(folder, host, "core:/stable:"), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(filepath.Join(folder, host, "core:/stable:", "key"), []byte("key of "+host), 0o600)).To(Succeed())
	}
	handler := NewServer(folder)
	get := func(host string) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/core:/stable:/key", nil)
		request.Host = host
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, request)
		return response
	}

	for _, host := range Hosts {
		g.Expect(get(host).Body.String()).To(Equal("key of " + host))
		g.Expect(get(host + ":443").Body.String()).To(Equal("key of " + host))
	}
	unknown := get("deb.debian.org")
	g.Expect(unknown.Code).To(Equal(http.StatusNotFound))
	g.Expect(unknown.Body.String()).To(ContainSubstring("no host deb.debian.org"))
}

func TestAMirrorOfAUsersOwnHasNoLaterVersionThanIsSet(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	for _, version := range kit.KubernetesVersions {
		state := filepath.Join(folder, kubernetesHost, ownPath, version)
		g.Expect(os.MkdirAll(state, 0o755)).To(Succeed())
		g.Expect(os.WriteFile(filepath.Join(state, "Packages"), []byte("up to "+version), 0o600)).To(Succeed())
	}
	server := NewServer(folder)
	get := func() string {
		request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, ownPath+"Packages", nil)
		request.Host = kubernetesHost
		request.Header.Set("If-Modified-Since", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		response := httptest.NewRecorder()
		server.ServeHTTP(response, request)
		return response.Body.String()
	}

	g.Expect(get()).To(Equal("up to " + kit.NextVersion))
	server.SetNewest(kit.OldVersion)
	g.Expect(get()).To(Equal("up to " + kit.OldVersion))
}

func TestAPackageIsBuiltOnce(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	first, second := filepath.Join(folder, "first.deb"), filepath.Join(folder, "second.deb")
	g.Expect(os.WriteFile(first, []byte("built"), 0o600)).To(Succeed())
	d := debian{name: "kubectl", version: "1.37.2-1.1"}

	g.Expect(d.place(t.Context(), second, map[string]string{d.fileName(): first})).To(Succeed())

	g.Expect(os.ReadFile(second)).To(BeEquivalentTo("built"))
}

func TestVersionsComeFromPaths(t *testing.T) {
	g := NewWithT(t)

	g.Expect(versionOf("/cache/containerd-v2.4.2/containerd")).To(Equal("2.4.2"))
	g.Expect(versionOf("/cache/cni-host-local-v1.9.1/cni-host-local")).To(Equal("1.9.1"))
}

func TestReleaseNamesSuiteAndComponentOnlyWhereThereAreSuites(t *testing.T) {
	g := NewWithT(t)
	r := repository{host: tailscaleHost}

	withSuite := r.releaseText("main/binary-amd64/Packages", 7, "abc")
	flat := r.releaseText("Packages", 7, "abc")

	g.Expect(withSuite).To(ContainSubstring("Codename: bookworm\nComponents: main\n"))
	g.Expect(withSuite).To(HaveSuffix("SHA256:\n abc 7 main/binary-amd64/Packages\n"))
	g.Expect(flat).NotTo(ContainSubstring("Codename"))
	g.Expect(flat).To(HaveSuffix("SHA256:\n abc 7 Packages\n"))
}

func TestPackagesAreNamedAsInTheOriginals(t *testing.T) {
	g := NewWithT(t)
	b := &builder{programs: map[string]string{"kubelet@v1.37.2": "/cache/kubelet-v1.37.2/kubelet"}}

	kubelet := b.kubernetes("v1.37.2")[0]

	g.Expect(kubelet.fileName()).To(Equal("kubelet_1.37.2-1.1_amd64.deb"))
	g.Expect(kubelet.control()).To(HavePrefix("Package: kubelet\nVersion: 1.37.2-1.1\nArchitecture: amd64\n"))
	g.Expect(kubelet.control()).To(ContainSubstring("Depends: iptables, kubernetes-cni, iproute2, mount, util-linux\n"))
}
