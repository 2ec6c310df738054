// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const maxLinesOfFile, maxLinesOfFunction = 400, 60

// What is longer has more than one subject, in tests as in the product: split it by those. A table
// that is long belongs outside of its test.
func TestNoFileAndNoFunctionIsTooLong(t *testing.T) {
	g := NewWithT(t)
	files, seen := token.NewFileSet(), 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "out" || entry.Name() == ".git" || entry.Name() == "bin"):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		parsed, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil || ast.IsGenerated(parsed) {
			return err
		}
		seen++
		if lines := files.File(parsed.Pos()).LineCount(); lines > maxLinesOfFile {
			t.Errorf("%s has %d lines, %d are the most", strings.TrimPrefix(path, root+"/"), lines, maxLinesOfFile)
		}
		for _, declaration := range parsed.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if lines := files.Position(function.End()).Line - files.Position(function.Pos()).Line + 1; lines > maxLinesOfFunction {
				t.Errorf("%s: %s has %d lines, %d are the most", strings.TrimPrefix(path, root+"/"), function.Name.Name, lines, maxLinesOfFunction)
			}
		}
		return nil
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(seen).To(BeNumerically(">", 500), "the files are not found")
}
