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
