// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package docs holds the documentation to the code: a real API server accepts every example, every
// reason of a condition is explained, no link leads nowhere. It reads the repository's files.
package docs

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
)

// root is the repository's, seen from this package.
const root = "../.."

var apiServer client.Client

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		log.Fatal(err)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	env := &envtest.Environment{
		CRDDirectoryPaths: []string{filepath.Join(root, "config/crd/bases")}, ErrorIfCRDPathMissing: true,
	}
	if err := ports.ForServer(context.Background(), env); err != nil {
		return 0, err
	}
	config, err := env.Start()
	if err != nil {
		return 0, fmt.Errorf("start the API server: %w", err)
	}
	defer func() {
		if err := env.Stop(); err != nil {
			log.Printf("stop the API server: %v", err)
		}
	}()
	if apiServer, err = client.New(config, client.Options{}); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// pages lists the repository's Markdown files below a folder, as paths from the root.
func pages(t *testing.T, folder string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		// Hidden folders are tools', out holds the Makefile's output, testdata is input of tests.
		if entry.IsDir() && (len(name) > 2 && name[0] == '.' || name == "out" || name == "testdata") {
			return fs.SkipDir
		}
		if !entry.IsDir() && strings.HasSuffix(name, ".md") {
			relative, err := filepath.Rel(root, path)
			found = append(found, relative)
			return err
		}
		return nil
	})
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).NotTo(BeEmpty())
	return found
}

// page is a Markdown file, its prose apart from its fenced blocks.
type page struct {
	// prose are the lines outside of fenced blocks.
	prose []string
	// blocks are the fenced blocks.
	blocks []block
}

// block is a fenced block.
type block struct {
	// line is the number of its first line, from 1; language is the word after the fence.
	line           int
	language, text string
}

func read(t *testing.T, path string) page {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join(root, path))
	g.Expect(err).NotTo(HaveOccurred())
	var out page
	var open *block
	for i, line := range strings.Split(string(content), "\n") {
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && open == nil:
			open = &block{line: i + 1, language: strings.TrimSpace(language)}
		case fence:
			out.blocks = append(out.blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		default:
			out.prose = append(out.prose, line)
		}
	}
	g.Expect(open).To(BeNil(), "%s: a fenced block is not closed", path)
	return out
}
