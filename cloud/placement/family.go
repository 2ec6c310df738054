// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"strconv"
	"strings"
)

// Family is the shape family that budgets and OCI's limits count by: the shape's name without its
// first part (VM or BM), its sizes and Flex, such as Standard.A1 for VM.Standard.A1.Flex and
// Standard.E2.Micro for VM.Standard.E2.1.Micro.
func Family(shape string) string {
	parts := strings.Split(shape, ".")
	var family []string
	for _, part := range parts[1:] {
		if _, err := strconv.Atoi(part); err != nil && part != "Flex" {
			family = append(family, part)
		}
	}
	return strings.Join(family, ".")
}

// CoreLimit is the name of the service limit of a family's OCPUs, MemoryLimit that of its memory in
// GB; OCI has them for each availability domain. Source: OCI documentation, "Service Limits",
// "Compute limits": standard-a1-core-count, standard-a1-memory-count, standard3-core-count,
// standard-e2-micro-core-count. A family that OCI names otherwise has no known limit.
func CoreLimit(family string) string { return limitPrefix(family) + "-core-count" }

// MemoryLimit is explained at CoreLimit.
func MemoryLimit(family string) string { return limitPrefix(family) + "-memory-count" }

func limitPrefix(family string) string { return strings.ToLower(strings.ReplaceAll(family, ".", "-")) }

// IsFlexible tells whether the size of a shape's instances is whoever launches them to choose. That
// of all others is the shape's, and its name does not tell it: VM.GPU.A10.1 has 15 OCPUs. Source:
// OCI documentation, "Compute Shapes".
func IsFlexible(shape string) bool { return strings.HasSuffix(shape, ".Flex") }
