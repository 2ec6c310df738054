// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package house holds the tree to the rules of the house beyond linters: phases, files and tests
// have the same names, the map of the controllers is true, and messages are in sentence case.
package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// root is the repository's.
const root = "../.."

// file is a Go file of the product.
type file struct {
	// path is relative to the repository, with slashes.
	path string
	*ast.File
}

// source is all Go code of the product below some folders, tests and generated files left out.
type source struct {
	files *token.FileSet
	all   []file
}

// read parses the folders, given relative to the repository.
func read(folders ...string) (*source, error) {
	s := &source{files: token.NewFileSet()}
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !isProduct(path) {
				return err
			}
			parsed, err := parser.ParseFile(s.files, path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(root, path)
			s.all = append(s.all, file{filepath.ToSlash(relative), parsed})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", folder, err)
		}
	}
	return s, nil
}

// below are the files in the folder and in those below it.
func below(s *source, folder string) []file {
	return slices.DeleteFunc(slices.Clone(s.all), func(f file) bool { return !strings.HasPrefix(f.path, folder) })
}

func isProduct(path string) bool {
	name := filepath.Base(path)
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "zz_generated")
}

// position is where a node is, as path:line.
func (s *source) position(node ast.Node) string {
	at := s.files.Position(node.Pos())
	relative, err := filepath.Rel(root, at.Filename)
	if err != nil {
		relative = at.Filename
	}
	return fmt.Sprintf("%s:%d", filepath.ToSlash(relative), at.Line)
}

// text is the value of a string literal, or of a sum of several; false for anything else.
func text(expression ast.Expr) (string, bool) {
	switch e := expression.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		value, err := strconv.Unquote(e.Value)
		return value, err == nil
	case *ast.CallExpr:
		// The format is what counts of a text that is printed.
		if called(e) == "Sprintf" && len(e.Args) > 0 {
			return text(e.Args[0])
		}
	case *ast.BinaryExpr:
		// Only the beginning of a composed text counts.
		left, ok := text(e.X)
		if right, known := text(e.Y); known {
			return left + right, ok
		}
		return left, ok
	}
	return "", false
}

// called is the name of the called function or method.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}
