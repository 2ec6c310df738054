// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"path"
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// repeatable are the verbs whose repetition does no more than they have done.
var repeatable = []string{"Get", "List", "Update", "Delete", "Detach", "Terminate"}

const namedPart = "its name is unique in its load balancer, which refuses a second one"

// withoutToken are the calls that make something and carry no retry token, with reasons.
var withoutToken = map[string]string{
	"loadbalancer.CreateBackendSet": namedPart, "networkloadbalancer.CreateBackendSet": namedPart,
	"loadbalancer.CreateListener": namedPart, "networkloadbalancer.CreateListener": namedPart,
	"loadbalancer.CreateBackend": namedPart, "networkloadbalancer.CreateBackend": namedPart,
}

// tokenSetLater are the files that build a spec whose retry token is set elsewhere.
var tokenSetLater = map[string]string{
	"cloud/loadbalancer/build.go": "ensure.go counts attempts, and sets the token of each",
}

// A request whose answer is lost is sent again: without a retry token OCI makes a second thing, and
// nobody knows of the first.
func TestWhatMakesSomethingInOCICarriesARetryToken(t *testing.T) {
	g := NewWithT(t)
	services := servicesOf(reflect.TypeFor[oci.Client]())
	tree, err := read("cloud/oci")
	g.Expect(err).NotTo(HaveOccurred())
	requests := literalsOf(tree)
	checked, listed := 0, map[string]bool{}
	for _, operation := range callsOf(tree, services) {
		if !takesToken(operation) || startsWithAny(operation.name, repeatable) {
			continue
		}
		if reason := withoutToken[operation.String()]; reason != "" {
			listed[operation.String()] = true
			continue
		}
		made := requests[operation.pkg+"."+operation.request.Name()]
		g.Expect(made).NotTo(BeEmpty(), "%s: its request is written as a literal", operation)
		for _, literal := range made {
			checked++
			g.Expect(keysOf(literal)).To(ContainElement("OpcRetryToken"), "%s: %s needs a retry token", tree.position(literal), operation)
		}
	}
	g.Expect(checked).To(BeNumerically(">=", 12))
	for name := range withoutToken {
		g.Expect(listed).To(HaveKey(name), "%s is not called: it is no exception", name)
	}
}

func TestCallersGiveTheSpecOfWhatTheyMakeARetryToken(t *testing.T) {
	g := NewWithT(t)
	specs := map[string]bool{}
	for _, of := range []reflect.Type{
		reflect.TypeFor[*oci.Client](), reflect.TypeFor[oci.LoadBalancers](), reflect.TypeFor[oci.NetworkLoadBalancers](),
	} {
		for i := range of.NumMethod() {
			method := of.Method(i).Type
			for in := range method.NumIn() {
				if spec := method.In(in); spec.Kind() == reflect.Struct {
					if _, has := spec.FieldByName("RetryToken"); has {
						specs[spec.PkgPath()+"."+spec.Name()] = true
					}
				}
			}
		}
	}
	g.Expect(len(specs)).To(BeNumerically(">=", 8))
	tree, err := read("cloud", "controllers", "exp")
	g.Expect(err).NotTo(HaveOccurred())
	seen, later := map[string]bool{}, map[string]bool{}
	for name, literals := range literalsOf(tree) {
		if !specs[name] {
			continue
		}
		for _, literal := range literals {
			keys := keysOf(literal)
			file, _, _ := strings.Cut(tree.position(literal), ":")
			switch {
			case len(keys) == 0: // What is returned with an error.
			case tokenSetLater[file] != "":
				later[file] = true
			default:
				g.Expect(keys).To(ContainElement("RetryToken"), tree.position(literal))
			}
			seen[name] = true
		}
	}
	for name := range specs {
		g.Expect(seen).To(HaveKey(name), "a spec that nobody writes")
	}
	for file := range tokenSetLater {
		g.Expect(later).To(HaveKey(file), "it builds no spec: it is no exception")
	}
}

// sdkCall is a method of one of the SDK's clients.
type sdkCall struct {
	pkg, name string
	request   reflect.Type
}

func (c sdkCall) String() string { return path.Base(c.pkg) + "." + c.name }

// servicesOf are the fields of the client that are clients of the SDK.
func servicesOf(client reflect.Type) map[string]reflect.Type {
	services := map[string]reflect.Type{}
	for field := range client.Fields() {
		if strings.Contains(field.Type.PkgPath(), "/oci-go-sdk/") {
			services[field.Name] = field.Type
		}
	}
	return services
}

// callsOf are the SDK's methods that the tree names: c.compute.LaunchInstance.
func callsOf(tree *source, services map[string]reflect.Type) []sdkCall {
	var calls []sdkCall
	for _, file := range tree.all {
		ast.Inspect(file.File, func(node ast.Node) bool {
			if operation, ok := callTo(node, services); ok {
				calls = append(calls, operation)
			}
			return true
		})
	}
	return calls
}

// callTo is the SDK's method that a node names.
func callTo(node ast.Node, services map[string]reflect.Type) (sdkCall, bool) {
	outer, is := node.(*ast.SelectorExpr)
	if !is {
		return sdkCall{}, false
	}
	inner, is := outer.X.(*ast.SelectorExpr)
	if !is || services[inner.Sel.Name] == nil {
		return sdkCall{}, false
	}
	client := services[inner.Sel.Name]
	method, has := client.MethodByName(outer.Sel.Name)
	if !has || method.Type.NumIn() != 3 {
		return sdkCall{}, false
	}
	return sdkCall{pkg: client.PkgPath(), name: method.Name, request: method.Type.In(2)}, true
}

func takesToken(call sdkCall) bool {
	_, has := call.request.FieldByName("OpcRetryToken")
	return has
}

func startsWithAny(text string, beginnings []string) bool {
	for _, beginning := range beginnings {
		if strings.HasPrefix(text, beginning) {
			return true
		}
	}
	return false
}

// literalsOf are the composite literals of other packages' types, by package path and name.
func literalsOf(tree *source) map[string][]*ast.CompositeLit {
	found := map[string][]*ast.CompositeLit{}
	for _, file := range tree.all {
		for name, literals := range literalsIn(file.File, file.File) {
			found[name] = append(found[name], literals...)
		}
	}
	return found
}

// literalsIn are those below a node of the file, also of names that it declares for such types.
func literalsIn(file *ast.File, node ast.Node) map[string][]*ast.CompositeLit {
	found, imported, declared := map[string][]*ast.CompositeLit{}, map[string]string{}, map[string]string{}
	for _, spec := range file.Imports {
		from := strings.Trim(spec.Path.Value, `"`)
		imported[path.Base(from)] = from
		if spec.Name != nil {
			imported[spec.Name.Name] = from
		}
	}
	full := func(of ast.Expr) string {
		switch e := of.(type) {
		case *ast.Ident:
			return declared[e.Name]
		case *ast.SelectorExpr:
			return imported[nameOf(e.X)] + "." + e.Sel.Name
		}
		return ""
	}
	ast.Inspect(node, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.TypeSpec:
			declared[n.Name.Name] = full(n.Type)
		case *ast.CompositeLit:
			if name := full(n.Type); name != "" {
				found[name] = append(found[name], n)
			}
		}
		return true
	})
	return found
}

// keysOf are the fields that a literal sets.
func keysOf(literal *ast.CompositeLit) []string {
	var keys []string
	for _, element := range literal.Elts {
		if pair, is := element.(*ast.KeyValueExpr); is {
			if key, is := pair.Key.(*ast.Ident); is {
				keys = append(keys, key.Name)
			}
		}
	}
	return keys
}
