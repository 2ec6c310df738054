// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// maxColumn is the API's limit of the texts in status.summary, and still a line.
const maxColumn = 256

// summarize puts the inventory into the few words that the columns show.
func summarize(status *infrav1.OCIAccountStatus) {
	var used, short []string
	for _, usage := range status.Usage {
		if words := familyWords(usage); words != "" {
			used = append(used, words)
		}
	}
	ordered := slices.Clone(status.Shortages)
	slices.SortStableFunc(ordered, func(a, b infrav1.Shortage) int {
		return cmp.Or(cmp.Compare(a.Shape, b.Shape), cmp.Compare(a.Reason, b.Reason), b.Until.Compare(a.Until.Time))
	})
	last := ""
	for _, shortage := range ordered {
		key := shortage.Shape + " " + shortage.Reason
		if key != last {
			short = append(short, fmt.Sprintf("%s %s until %s", cmp.Or(familyName(placement.Family(shortage.Shape)), "all"),
				shortage.Reason, shortage.Until.UTC().Format("15:04Z")))
		}
		last = key
	}
	status.Summary = infrav1.AccountSummary{
		Used: column(used), Volumes: figure(status.Volumes.UsedGB, status.Volumes.BudgetGB, " GB"), Short: column(short),
	}
}

// familyWords has the figures that the budget bounds. Without a budget it has what our machines
// use, and nothing of a family that only others use.
func familyWords(usage infrav1.FamilyUsage) string {
	used, budget := usage.Used, usage.Budget
	words := []string{familyName(usage.Family)}
	if budget.Instances == nil && budget.OCPUs == nil && budget.MemoryGB == nil {
		if ptr.Deref(used.Instances, 0) == 0 {
			return ""
		}
		// The size of a shape that is not flexible may not be known yet.
		if ptr.Deref(used.OCPUs, 0) == 0 {
			return strings.Join(append(words, figure(used.Instances, nil, "")), " ")
		}
		return strings.Join(append(words, figure(used.OCPUs, nil, " OCPU"), figure(used.MemoryGB, nil, " GB")), " ")
	}
	if budget.Instances != nil {
		words = append(words, figure(used.Instances, budget.Instances, ""))
	}
	if budget.OCPUs != nil {
		words = append(words, figure(used.OCPUs, budget.OCPUs, " OCPU"))
	}
	if budget.MemoryGB != nil {
		words = append(words, figure(used.MemoryGB, budget.MemoryGB, " GB"))
	}
	return strings.Join(words, " ")
}

// familyName leaves out what most families begin with.
func familyName(family string) string { return strings.TrimPrefix(family, "Standard.") }

func figure(used, of *int32, unit string) string {
	if of == nil {
		return fmt.Sprintf("%d%s", ptr.Deref(used, 0), unit)
	}
	return fmt.Sprintf("%d/%d%s", ptr.Deref(used, 0), *of, unit)
}

// column joins as many as there is room for.
func column(texts []string) string {
	out := strings.Join(texts, ", ")
	if len(out) > maxColumn {
		return out[:maxColumn-3] + "..."
	}
	return out
}
