// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestTheColumnUsedNamesTheUnitOfEachFigure(t *testing.T) {
	amount := func(instances, ocpus, memory int32) infrav1.ResourceAmount {
		return infrav1.ResourceAmount{Instances: ptr.To(instances), OCPUs: ptr.To(ocpus), MemoryGB: ptr.To(memory)}
	}
	for name, tc := range map[string]struct {
		usage []infrav1.FamilyUsage
		want  string
	}{
		"a budget of OCPUs and memory, and one of instances": {[]infrav1.FamilyUsage{
			{Family: "Standard.A1", Used: amount(1, 2, 8), Budget: infrav1.ResourceAmount{OCPUs: ptr.To[int32](2), MemoryGB: ptr.To[int32](12)}},
			{Family: "Standard.E2.Micro", Used: amount(0, 0, 0), Budget: infrav1.ResourceAmount{Instances: ptr.To[int32](2)}},
		}, "A1 2/2 OCPU 8/12 GB, E2.Micro 0/2"},
		"a budget of memory alone": {[]infrav1.FamilyUsage{
			{Family: "Standard.A1", Used: amount(1, 2, 8), Budget: infrav1.ResourceAmount{MemoryGB: ptr.To[int32](12)}},
		}, "A1 8/12 GB"},
		"no budget":                            {[]infrav1.FamilyUsage{{Family: "Standard.A1", Used: amount(2, 4, 24)}}, "A1 4 OCPU 24 GB"},
		"no budget, and a size not yet known":  {[]infrav1.FamilyUsage{{Family: "GPU.A10", Used: amount(1, 0, 0)}}, "GPU.A10 1"},
		"no budget, and instances of others":   {[]infrav1.FamilyUsage{{Family: "Standard.E2.Micro", Used: amount(0, 0, 0), Others: amount(1, 1, 1)}}, ""},
		"others beside ours, without a budget": {[]infrav1.FamilyUsage{{Family: "Standard.A1", Used: amount(1, 2, 12), Others: amount(1, 1, 6)}}, "A1 2 OCPU 12 GB"},
	} {
		t.Run(name, func(t *testing.T) {
			status := infrav1.OCIAccountStatus{Usage: tc.usage}

			summarize(&status)

			NewWithT(t).Expect(status.Summary.Used).To(Equal(tc.want))
		})
	}
}
