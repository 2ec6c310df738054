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

	. "github.com/onsi/gomega"
)

func TestEachHostHasItsOwnFiles(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	for _, host := range Hosts {
		g.Expect(os.MkdirAll(filepath.Join(folder, host, "core:/stable:"), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(filepath.Join(folder, host, "core:/stable:", "key"), []byte("key of "+host), 0o600)).To(Succeed())
	}
	handler := Handler(folder)
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
