// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
)

const script = "../../hack/binaries.sh"

// compiler takes the place of the Go command: the tests ask whether it was called, not what it
// would have made of the modules.
const compiler = `#!/bin/sh
while [ $# -gt 0 ]; do
  if [ "$1" = -o ]; then echo built >"$2" && chmod +x "$2"; fi
  shift
done
`

const built = "built\n"

// world is a machine with an empty cache, and a server that plays upstream.
type world struct {
	t     *testing.T
	cache string
	// url is the server's.
	url string
	// asked and downloads count requests: all, and those for more than a first byte.
	asked, downloads atomic.Int32
	rows             []string
	variables        []string
}

// newWorld starts an upstream that answers as the handler does.
func newWorld(t *testing.T, handler http.HandlerFunc) *world {
	t.Helper()
	w := &world{t: t, cache: t.TempDir()}
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		w.asked.Add(1)
		if request.Header.Get("Range") != "bytes=0-0" {
			w.downloads.Add(1)
		}
		handler(response, request)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// row adds a file of upstream's to the table, for this machine's architecture.
func (w *world) row(name, version, member, path, sum string) {
	w.rows = append(w.rows, strings.Join([]string{name, version, runtime.GOARCH, member, w.url + path, sum}, "\t")+"\n")
}

// command is hack/binaries.sh in this world.
func (w *world) command(ctx context.Context, names ...string) *exec.Cmd {
	w.t.Helper()
	g := NewWithT(w.t)
	dir := w.t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(dir, "go"), []byte(compiler), 0o700)).To(Succeed())
	table := filepath.Join(dir, "upstream.tsv")
	g.Expect(os.WriteFile(table, []byte(strings.Join(w.rows, "")), 0o600)).To(Succeed())
	command := exec.CommandContext(ctx, script, names...)
	command.Env = append(os.Environ(), "CAPOM_CACHE="+w.cache, "CAPOM_UPSTREAM="+table,
		"PATH="+dir+string(filepath.ListSeparator)+os.Getenv("PATH"), "no_proxy=127.0.0.1")
	command.Env = append(command.Env, w.variables...)
	return command
}

// get asks hack/binaries.sh for programs, and returns their content and what was said meanwhile.
func (w *world) get(names ...string) (contents []string, said string) {
	w.t.Helper()
	g := NewWithT(w.t)
	command := w.command(w.t.Context(), names...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	g.Expect(err).NotTo(HaveOccurred(), "%s", &stderr)
	for path := range strings.FieldsSeq(string(out)) {
		contents = append(contents, read(g, path))
	}
	return contents, stderr.String()
}

// inCache are the executables in the cache by path, with their content.
func (w *world) inCache() map[string]string {
	w.t.Helper()
	g := NewWithT(w.t)
	programs := map[string]string{}
	g.Expect(filepath.WalkDir(w.cache, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		g.Expect(path).NotTo(ContainSubstring("work."), "nothing unfinished stays")
		info, err := entry.Info()
		if err == nil && info.Mode()&0o111 != 0 {
			programs[strings.TrimPrefix(path, w.cache+"/")] = read(g, path)
		}
		return err
	})).To(Succeed())
	return programs
}

func read(g *WithT, path string) string {
	content, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	return string(content)
}

// pinned are the versions that hack/binaries.sh knows, by name.
func pinned(t *testing.T) map[string]string {
	t.Helper()
	g := NewWithT(t)
	out, err := exec.CommandContext(t.Context(), script, "list").Output()
	g.Expect(err).NotTo(HaveOccurred())
	versions := map[string]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		g.Expect(fields).To(HaveLen(2))
		versions[fields[0]] = fields[1]
	}
	return versions
}

func sha256Of(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func sha512Of(content []byte) string {
	sum := sha512.Sum512(content)
	return "sha512:" + hex.EncodeToString(sum[:])
}

// archive is a compressed archive of files with their paths as content.
func archive(t *testing.T, paths ...string) []byte {
	t.Helper()
	g := NewWithT(t)
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	files := tar.NewWriter(compressed)
	for _, path := range paths {
		content := fmt.Sprintf("upstream's %s", path)
		g.Expect(files.WriteHeader(&tar.Header{Name: path, Mode: 0o755, Size: int64(len(content))})).To(Succeed())
		_, err := files.Write([]byte(content))
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(files.Close()).To(Succeed())
	g.Expect(compressed.Close()).To(Succeed())
	return out.Bytes()
}
