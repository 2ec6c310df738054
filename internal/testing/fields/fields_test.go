// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package fields

import (
	"reflect"
	"testing"

	. "github.com/onsi/gomega"
)

type inner struct {
	Size   int
	Labels map[string]string
}

type outer struct {
	Name    string
	Yes     *bool
	Within  inner
	Pointer *inner
	List    []inner
}

func TestNoFieldIsHiddenByAStructAListOrAPointer(t *testing.T) {
	g := NewWithT(t)
	of := reflect.TypeFor[outer]()
	all := []string{
		"Name", "Yes", "Within.Size", "Within.Labels", "Pointer.Size", "Pointer.Labels", "List.Size", "List.Labels",
	}

	g.Expect(Leaves(of, nil)).To(Equal(all))
	g.Expect(Leaves(of, map[string]string{"Within": "a", "Pointer": "b", "List": "c"})).
		To(Equal([]string{"Name", "Yes", "Within", "Pointer", "List"}))

	var one outer
	for _, path := range all {
		Fill(At(reflect.ValueOf(&one).Elem(), path))
	}
	yes, filled := true, inner{Size: 7, Labels: map[string]string{"text": "text"}}
	g.Expect(one).To(Equal(outer{Name: "text", Yes: &yes, Within: filled, Pointer: &filled, List: []inner{filled}}))
}
