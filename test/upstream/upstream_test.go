// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package upstream tests where hack/binaries.sh takes programs from, against a server on loopback
// that plays upstream.
package upstream

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
)

// program is long enough for a download that breaks off to be continued.
var program = bytes.Repeat([]byte("upstream's program\n"), 200_000)

func whole(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// breaksOff announces a whole file, sends a part of it, and closes the connection: at each
// download, or at the first.
func breaksOff(after int, always bool) http.HandlerFunc {
	var once atomic.Bool
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" && !always || r.Header.Get("Range") == "bytes=0-0" || once.Swap(true) && !always {
			whole(program)(w, r)
			return
		}
		w.Header().Set("Content-Length", "3800000")
		_, _ = w.Write(program[:after])
		panic(http.ErrAbortHandler)
	}
}

func neverAnswers(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestAProgramIsUpstreamsOrBuilt(t *testing.T) {
	elsewhere := httptest.NewServer(whole(program))
	t.Cleanup(elsewhere.Close)
	for name, tc := range map[string]struct {
		upstream http.HandlerFunc
		want     string
		said     string
	}{
		"the right file":      {whole(program), string(program), ""},
		"a redirect to it":    {http.RedirectHandler(elsewhere.URL, http.StatusFound).ServeHTTP, string(program), ""},
		"it breaks off once":  {breaksOff(2_000_000, false), string(program), ""},
		"another file":        {whole([]byte("another program")), built, "is not used"},
		"half a file":         {breaksOff(1000, true), built, "did not come whole"},
		"no answer":           {neverAnswers, built, "does not answer"},
		"no such file":        {http.NotFound, built, "HTTP 404"},
		"redirects in a ring": {http.RedirectHandler("/file", http.StatusFound).ServeHTTP, built, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			version := pinned(t)["runc"]
			w := newWorld(t, tc.upstream)
			w.row("runc", version, "-", "/file", sha256Of(program))

			got, said := w.get("runc")

			g.Expect(got[0] == tc.want).To(BeTrue(), "%.40q\n%s", got[0], said)
			g.Expect(said).To(ContainSubstring(tc.said))
			g.Expect(w.inCache()).To(HaveLen(1), "nothing else gets into the cache")
		})
	}
}

func TestAHostThatDoesNotAnswerIsAskedOnce(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{"it is silent": neverAnswers, "it is not there": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			versions := pinned(t)
			w := newWorld(t, handler)
			if handler == nil {
				// Nobody listens on this port of loopback: reserved by IANA, tcpmux.
				w.url = "http://127.0.0.1:1"
			}
			w.row("runc", versions["runc"], "-", "/runc", sha256Of(program))
			w.row("ctr", versions["ctr"], "-", "/ctr", sha256Of([]byte("ctr")))

			_, first := w.get("runc")
			got, second := w.get("ctr")

			g.Expect(got).To(Equal([]string{built}))
			g.Expect(first).To(ContainSubstring("left alone for an hour"))
			g.Expect(second).NotTo(ContainSubstring("left alone"))
			if handler != nil {
				g.Expect(w.asked.Load()).To(BeEquivalentTo(1))
			}
		})
	}
}

func TestAHostWithoutOneFileIsAskedForOthers(t *testing.T) {
	g := NewWithT(t)
	versions := pinned(t)
	w := newWorld(t, func(response http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/runc" {
			http.NotFound(response, request)
			return
		}
		whole(program)(response, request)
	})
	w.row("runc", versions["runc"], "-", "/runc", sha256Of([]byte("runc")))
	w.row("ctr", versions["ctr"], "-", "/ctr", sha512Of(program))

	got, _ := w.get("runc", "ctr")

	g.Expect(got).To(Equal([]string{built, string(program)}))
}

func TestTheProgramsOfAnArchiveComeTogether(t *testing.T) {
	g := NewWithT(t)
	version := pinned(t)["cni-bridge"]
	content := archive(t, "./bridge", "./loopback", "./LICENSE")
	w := newWorld(t, whole(content))
	w.row("cni-bridge", version, "bridge", "/cni.tgz", sha256Of(content))
	w.row("cni-loopback", version, "loopback", "/cni.tgz", sha256Of(content))

	// Both at once: the second waits for the first one's download.
	var asking errgroup.Group
	for _, name := range []string{"cni-bridge", "cni-loopback"} {
		asking.Go(w.command(t.Context(), name).Run)
	}
	g.Expect(asking.Wait()).To(Succeed())

	g.Expect(w.inCache()).To(Equal(map[string]string{
		"cni-bridge-" + version + "/cni-bridge":     "upstream's ./bridge",
		"cni-loopback-" + version + "/cni-loopback": "upstream's ./loopback",
	}))
	g.Expect(w.downloads.Load()).To(BeEquivalentTo(1))
}

func TestAnArchiveWithoutTheProgramIsOfNoUse(t *testing.T) {
	g := NewWithT(t)
	version := pinned(t)["cni-bridge"]
	content := archive(t, "loopback")
	w := newWorld(t, whole(content))
	w.row("cni-bridge", version, "bridge", "/cni.tgz", sha256Of(content))

	got, _ := w.get("cni-bridge")

	g.Expect(got).To(Equal([]string{built}))
	g.Expect(w.inCache()).To(HaveLen(1))
}

func TestWithoutASumNobodyIsAsked(t *testing.T) {
	for name, tc := range map[string]struct {
		version  string
		variable string
	}{
		"the table has another version": {version: "v0.0.1"},
		"upstream is off":               {variable: "CAPOM_UPSTREAM=off"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, whole(program))
			version := pinned(t)["runc"]
			if tc.version != "" {
				version = tc.version
			}
			w.variables = []string{tc.variable}
			w.row("runc", version, "-", "/runc", sha256Of(program))

			got, _ := w.get("runc")

			g.Expect(got).To(Equal([]string{built}))
			g.Expect(w.asked.Load()).To(BeZero())
		})
	}
}

func TestEnvtestIsUpstreamsArchiveOfTheSameMinorRelease(t *testing.T) {
	minor := strings.Join(strings.Split(pinned(t)["kube-apiserver"], ".")[:2], ".")
	for name, tc := range map[string]struct {
		version string
		want    string
	}{
		"a patch release of the pinned minor": {minor + ".0", "upstream's envtest/kube-apiserver"},
		"another minor":                       {"v1.0.0", built},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			content := archive(t, "envtest/kube-apiserver", "envtest/etcd")
			w := newWorld(t, whole(content))
			w.row("envtest/kube-apiserver", tc.version, "envtest/kube-apiserver", "/envtest.tgz", sha256Of(content))
			w.row("envtest/etcd", tc.version, "envtest/etcd", "/envtest.tgz", sha256Of(content))

			out, err := w.command(t.Context(), "envtest").Output()
			g.Expect(err).NotTo(HaveOccurred())

			folder := strings.TrimSpace(string(out))
			g.Expect(read(g, folder+"/kube-apiserver")).To(Equal(tc.want))
			g.Expect(read(g, folder+"/etcd")).To(Equal(strings.Replace(tc.want, "kube-apiserver", "etcd", 1)))
		})
	}
}
