// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	. "github.com/onsi/gomega"
)

// messageAt is the position of the users' message in a call's arguments, by the name of the
// function. Conditions, events and logs all go through one of these.
var messageAt = map[string]int{
	"NewProblem":  1, // access
	"Note":        2, // phases
	"NoteUnknown": 2,
	"WaitFor":     3,
	"NotOK":       2, // report
	"Unknown":     2,
	"event":       3, // remediation
	"recordEvent": 3, // machine
	"WaitingFor":  0, // instances
	"updating":    2, // updates
	"finding":     1, // tailnetnode
	"waitFor":     1, // scheduling
	"waiting":     1, // cluster
	"Eventf":      5, // events.EventRecorder
	"Info":        0, // logr
	"Error":       1,
}

// message is a text for users.
type message struct{ at, text string }

// messages are all messages in the code with a literal.
func messages(s *source) []message {
	var all []message
	add := func(node ast.Expr) {
		if words, ok := text(node); ok && words != "%s" {
			all = append(all, message{s.position(node), words})
		}
	}
	for _, f := range s.all {
		ast.Inspect(f.File, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.CallExpr:
				if at, ok := messageAt[called(n)]; ok && at < len(n.Args) {
					add(n.Args[at])
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Message" {
					add(n.Value)
				}
			case *ast.AssignStmt:
				if to, ok := n.Lhs[0].(*ast.SelectorExpr); ok && to.Sel.Name == "Message" && len(n.Rhs) == 1 {
					add(n.Rhs[0])
				}
			}
			return true
		})
	}
	return all
}

// homegrown are words with better ones in the field.
var homegrown = regexp.MustCompile(`(?i)\b(mend(s|ed|ing)?|all is well|ado|none of the cluster's|gave .* up|looked at|anew|to mind)\b`)

// unread are folders without messages of the product. Errors of cloud go into the middle of
// messages.
var unread = []string{"test/", "internal/testing/", "hack/", "cloud/"}

// Messages of a function that is not known here would be read by no test.
func TestEveryFunctionThatTakesAMessageIsKnown(t *testing.T) {
	s, err := read("controllers", "exp/controllers", "internal/webhooks")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	found := 0
	for _, f := range s.all {
		for _, declaration := range f.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			at := 0
			for _, parameters := range function.Type.Params.List {
				for _, parameter := range parameters.Names {
					if known, ok := messageAt[function.Name.Name]; parameter.Name == "format" && (!ok || known != at) {
						t.Errorf("%s: add %s to messageAt, in this file", s.position(function), function.Name.Name)
					}
					if parameter.Name == "format" {
						found++
					}
					at++
				}
			}
		}
	}
	NewWithT(t).Expect(found).To(BeNumerically(">", 5), "the functions are not found")
}

func TestMessagesAreInSentenceCaseAndInTheFieldsWords(t *testing.T) {
	g := NewWithT(t)
	s, err := read(".")
	g.Expect(err).NotTo(HaveOccurred())
	product := &source{files: s.files}
	for _, f := range s.all {
		if !slices.ContainsFunc(unread, func(folder string) bool { return strings.HasPrefix(f.path, folder) }) {
			product.all = append(product.all, f)
		}
	}
	all := messages(product)
	g.Expect(len(all)).To(BeNumerically(">", 100), "the messages of the code are not found")
	for _, m := range all {
		first := []rune(m.text)[0]
		if unicode.IsLower(first) && !strings.HasPrefix(m.text, "spec.") {
			t.Errorf("%s: begins with a lower-case letter: %q", m.at, m.text)
		}
		if strings.HasSuffix(m.text, ".") || strings.HasSuffix(m.text, "!") {
			t.Errorf("%s: ends with a full stop: %q", m.at, m.text)
		}
		if found := homegrown.FindString(m.text); found != "" {
			t.Errorf("%s: says %q, for which the field has another word: %q", m.at, found, m.text)
		}
	}
}
