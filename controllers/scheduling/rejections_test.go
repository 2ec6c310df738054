// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// untold are the reasons of placement that a refusal leaves out, and why.
var untold = map[placement.RejectionReason]string{
	placement.OtherFailureDomain: "the message is about the failure domain to which the machine is bound",
	placement.Unsuitable:         "the problem of the image is told",
}

// rejectionReasons are the constants in the file of the package placement.
func rejectionReasons(t *testing.T) (found []placement.RejectionReason) {
	t.Helper()
	g := NewWithT(t)
	file, err := parser.ParseFile(token.NewFileSet(), "../../cloud/placement/facts.go", nil, parser.SkipObjectResolution)
	g.Expect(err).NotTo(HaveOccurred())
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); ok && of.Name == "RejectionReason" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			g.Expect(err).NotTo(HaveOccurred())
			found = append(found, placement.RejectionReason(text))
		}
		return true
	})
	g.Expect(len(found)).To(BeNumerically(">=", 10), "the reasons are not found")
	return found
}

// Under a reason that refuse does not know, a machine would have no place and not say why.
func TestARefusalTellsEveryReasonWhyAPlaceIsNoCandidate(t *testing.T) {
	for _, reason := range rejectionReasons(t) {
		t.Run(string(reason), func(t *testing.T) {
			g := NewWithT(t)
			decision := placement.Decision{Rejections: []placement.Rejection{
				{Place: placeIn("alice"), Reason: reason, Message: "this is why", Until: refusedAt},
			}}
			told := ContainSubstring("this is why")
			if untold[reason] != "" {
				told = Not(told)
			}
			g.Expect(refuse(advice{}, decision, nil, refusedAt, time.Minute).Message).To(told,
				"have refuse, in unschedulable.go, tell it, or say in untold why not")
		})
	}
}
