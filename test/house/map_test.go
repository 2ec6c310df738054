// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"path"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// row is a line of the map: the folder, and the kind or what is in it.
var row = regexp.MustCompile(`(?m)^\t(\S+)\s{2,}\S.*$`)

func TestTheMapOfTheControllersIsTrue(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	var mapped []string
	folders := map[string]bool{}
	for _, f := range s.all {
		if f.path == "controllers/doc.go" {
			for _, match := range row.FindAllStringSubmatch(f.Doc.Text(), -1) {
				mapped = append(mapped, match[1])
			}
			continue
		}
		folders[strings.TrimPrefix(path.Dir(f.path), "controllers/")] = true
	}
	var there []string
	for folder := range folders {
		there = append(there, folder)
	}
	g.Expect(mapped).To(ConsistOf(there), "controllers/doc.go")
}
