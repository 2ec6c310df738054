// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

func TestTheFirstFolderMakesTheCacheItself(t *testing.T) {
	g := NewWithT(t)
	b := &builder{cache: filepath.Join(t.TempDir(), "none", "yet"), progress: io.Discard}

	dir, err := b.folder("greeting", nil, func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "hello"), []byte("hello"), 0o600)
	})

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.ReadFile(filepath.Join(dir, "hello"))).To(BeEquivalentTo("hello"))
}

func TestAFolderThatFailedIsBuiltAgain(t *testing.T) {
	g := NewWithT(t)
	b := &builder{cache: t.TempDir(), progress: io.Discard}
	_, err := b.folder("greeting", nil, func(string) error { return errors.New("out of ink") })
	g.Expect(err).To(MatchError("build the lab's greeting: out of ink"))
	g.Expect(os.ReadDir(b.cache)).To(BeEmpty())

	built := 0
	for range 2 {
		_, err = b.folder("greeting", nil, func(string) error { built++; return nil })
		g.Expect(err).NotTo(HaveOccurred())
	}

	g.Expect(built).To(Equal(1))
}

func TestTheLoadersListNamesWhatIsMissing(t *testing.T) {
	cases := []struct {
		name, list string
		missing    []string
		fails      bool
	}{
		{"all there", "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1a)\n", nil, false},
		{"one of them not", "\tlibLLVM.so.19.1 => not found\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1a)\n", []string{"libLLVM.so.19.1"}, false},
		{"not even begun", "/usr/bin/ip: error while loading shared libraries: libbpf.so.1: cannot open shared object file\n", []string{"libbpf.so.1"}, false},
		{"no program", "/usr/bin/ip: cannot execute\n", nil, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)

			missing, err := notFound([]byte(c.list))

			g.Expect(err != nil).To(Equal(c.fails))
			g.Expect(missing).To(Equal(c.missing))
		})
	}
}

func TestAnImageIsSavedOnceAndWhole(t *testing.T) {
	g := NewWithT(t)
	scratch := t.TempDir()
	filled := containerImage{name: "example.com/filled:1", fill: func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "hello"), []byte("hello"), 0o600)
	}}

	archive, err := filled.save(t.Context(), scratch)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filepath.Join(scratch, "root")).NotTo(BeADirectory())
	g.Expect(run(t.Context(), "tar", "-C", scratch, "-xf", archive, "layer.tar")).To(Succeed())
	g.Expect(run(t.Context(), "tar", "-C", scratch, "-xf", filepath.Join(scratch, "layer.tar"), "./hello", "./etc/passwd", "./tmp")).To(Succeed())
	g.Expect(os.ReadFile(filepath.Join(scratch, "hello"))).To(BeEquivalentTo("hello"))
	g.Expect(os.ReadFile(filepath.Join(scratch, "manifest.json"))).To(ContainSubstring(`"example.com/filled:1"`))
}
