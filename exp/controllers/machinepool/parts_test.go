// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"reflect"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/fields"
)

// A pool without a record of what was granted compares its spec with its instances: a field that
// they do not show would make every pool another one.
func TestAnInstanceOfTheSpecIsSeenAsTheSpecHasIt(t *testing.T) {
	g := NewWithT(t)
	var wanted infrav1.Shape
	fields.Fill(reflect.ValueOf(&wanted).Elem())
	wanted.Name = "VM.Standard.A1.Flex"
	instance := oci.Instance{Shape: wanted.Name, OCPUs: float64(wanted.OCPUs), MemoryGB: float64(wanted.MemoryGB)}

	g.Expect(shapeSeen(wanted, instance)).To(Equal(wanted))

	instance.MemoryGB++
	g.Expect(shapeSeen(wanted, instance).MemoryGB).To(Equal(wanted.MemoryGB + 1))
	instance.Shape = "VM.Standard.E2.1.Micro"
	g.Expect(shapeSeen(wanted, instance).OCPUs).To(BeZero())
}
