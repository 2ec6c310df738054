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

// Gomega waits for a second by default, and a loaded machine takes longer: a test gives its own
// deadline, or its package does.
func TestWhateverTestsWaitForHasADeadlineOfTheirs(t *testing.T) {
	g := NewWithT(t)
	files := token.NewFileSet()
	waits, patient := map[string][]string{}, map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "out" || entry.Name() == ".git" || entry.Name() == "bin"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		parsed, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := filepath.Dir(path)
		limited := map[ast.Node]bool{}
		ast.Inspect(parsed, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch called(call) {
			case "SetDefaultEventuallyTimeout":
				patient[folder] = true
			case "WithTimeout":
				// Outer calls are visited first.
				limited[call.Fun.(*ast.SelectorExpr).X] = true
			case "Eventually", "EventuallyWithOffset":
				if len(call.Args) < 2 && !limited[call] {
					waits[folder] = append(waits[folder], files.Position(call.Pos()).String())
				}
			}
			return true
		})
		return nil
	})
	g.Expect(err).NotTo(HaveOccurred())
	for folder := range patient {
		delete(waits, folder)
	}
	g.Expect(waits).To(BeEmpty())
}
