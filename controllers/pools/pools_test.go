// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package pools_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/pools"
)

// server answers lists with one object a page.
type server struct {
	client.Reader
	objects map[string][]map[string]any
	asked   []client.ListOptions
	failure error
}

func (s *server) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	asked := client.ListOptions{}
	asked.ApplyOptions(options)
	s.asked = append(s.asked, asked)
	page, isList := list.(*unstructured.UnstructuredList)
	if !isList || s.failure != nil {
		return s.failure
	}
	all := s.objects[strings.TrimSuffix(page.GetKind(), "List")]
	at := len(asked.Continue)
	page.Items = nil
	if at < len(all) {
		page.Items = []unstructured.Unstructured{{Object: all[at]}}
	}
	if at+1 < len(all) {
		page.SetContinue(strings.Repeat("x", at+1))
	}
	return nil
}

func pool(namespace, account string, status map[string]any) map[string]any {
	return map[string]any{
		"metadata": map[string]any{"namespace": namespace, "name": "pool"}, "spec": map[string]any{"account": account}, "status": status,
	}
}

func instanceOf(namespace, account string) map[string]any {
	return map[string]any{"metadata": map[string]any{"namespace": namespace, "name": "pool-1"}, "status": map[string]any{"account": account}}
}

func TestUsersOfAnAccountAreFoundOnAllPages(t *testing.T) {
	g := NewWithT(t)
	reader := &server{objects: map[string][]map[string]any{
		"OCIMeshMachinePool": {
			pool("a", "alice", nil), pool("b", "bob", nil),
			pool("c", "alice", map[string]any{"pool": map[string]any{"attempt": int64(1)}}),
			pool("d", "alice", map[string]any{"configuration": map[string]any{"id": "x"}}),
		},
		"OCIMeshMachinePoolMachine": {instanceOf("e", "bob"), instanceOf("f", "alice"), {"metadata": map[string]any{"namespace": "g", "name": "pool-1"}}},
	}}

	of, err := pools.Of(t.Context(), reader, "alice", client.InNamespace("ours"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(of).To(Equal(pools.Users{
		{Kind: "OCIMeshMachinePool", Namespace: "a", Name: "pool"}, {Kind: "OCIMeshMachinePool", Namespace: "c", Name: "pool", Recorded: true},
		{Kind: "OCIMeshMachinePool", Namespace: "d", Name: "pool", Recorded: true},
		{Kind: "OCIMeshMachinePoolMachine", Namespace: "f", Name: "pool-1", Recorded: true},
	}))
	g.Expect(of.String()).To(Equal("OCIMeshMachinePools a/pool, c/pool, d/pool and OCIMeshMachinePoolMachines f/pool-1"))
	for _, asked := range reader.asked {
		g.Expect(asked.Namespace).To(Equal("ours"))
		g.Expect(asked.Limit).NotTo(BeZero())
	}

	all, err := pools.Of(t.Context(), reader, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(all.String()).To(Equal("OCIMeshMachinePools a/pool, b/pool, c/pool, 1 more and OCIMeshMachinePoolMachines e/pool-1, f/pool-1, g/pool-1"))
	g.Expect(pools.Users{}.String()).To(BeEmpty())
}

func TestAListThatFailsIsNoEmptyOne(t *testing.T) {
	g := NewWithT(t)
	_, err := pools.Of(t.Context(), &server{failure: errors.New("away")}, "alice")
	g.Expect(err).To(MatchError(ContainSubstring("listing OCIMeshMachinePools: away")))
}
