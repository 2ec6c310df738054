// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"slices"
	"sort"
	"strings"
)

// Occupant is another machine in an account, of this or another cluster.
type Occupant struct {
	// Account is the OCIAccount's name.
	Account string
	// Group is as in Facts; empty for a machine of another cluster.
	Group string
	// Leaving is set while it is being deleted.
	Leaving bool
	// Use is its use of the account.
	Use Use
}

// Advice names changes to make room for a machine kept out by budgets or limits.
type Advice struct {
	// Leaving is set if it fits once the machines in deletion are gone.
	Leaving bool
	// InPlaceOf is an account where it fits in the place of one of its group; empty if there is
	// none.
	InPlaceOf string
	// Smaller is the largest fitting size of one of its shapes; nil if none fits.
	Smaller *Fit
}

// Fit is a size with room in an account.
type Fit struct {
	Account, Shape  string
	OCPUs, MemoryGB int64
}

// Advise finds changes to make room for the machine, each by deciding anew. They are sure as far as
// the facts go.
func Advise(facts Facts, occupants []Occupant) Advice {
	leaving := func(o Occupant) bool { return o.Leaving }
	if slices.ContainsFunc(occupants, leaving) && facts.without(occupants, leaving).fits() {
		return Advice{Leaving: true}
	}
	return Advice{InPlaceOf: facts.inPlaceOf(occupants), Smaller: facts.smaller()}
}

func (f Facts) fits() bool { return len(Decide(f).Candidates) > 0 }

// without are the facts if those of the occupants were gone.
func (f Facts) without(occupants []Occupant, gone func(Occupant) bool) Facts {
	f.Accounts = slices.Clone(f.Accounts)
	for i := range f.Accounts {
		account := &f.Accounts[i]
		account.Used = slices.Clone(account.Used)
		for _, occupant := range occupants {
			if occupant.Account == account.Name && gone(occupant) {
				use := occupant.Use
				use.Size = use.Size.Times(-1)
				account.Used = append(account.Used, use)
			}
		}
	}
	return f
}

// inPlaceOf is the first account where the machine fits if one of its group there is gone.
func (f Facts) inPlaceOf(occupants []Occupant) string {
	for _, account := range f.Accounts {
		tried := map[Use]bool{}
		for _, one := range occupants {
			if one.Account != account.Name || one.Leaving || one.Group != f.Group || tried[one.Use] {
				continue
			}
			tried[one.Use] = true
			gone := func(Occupant) bool { return true }
			if f.only(account.Name).without([]Occupant{one}, gone).fits() {
				return account.Name
			}
		}
	}
	return ""
}

// only are the facts with one of the accounts.
func (f Facts) only(account string) Facts {
	f.Accounts = slices.DeleteFunc(slices.Clone(f.Accounts), func(a Account) bool { return a.Name != account })
	return f
}

// smaller is the largest fitting size, by OCPUs and then by memory. Users choose the size of
// flexible shapes only.
func (f Facts) smaller() *Fit {
	var best *Fit
	for _, account := range f.Accounts {
		for _, shape := range f.Shapes {
			fit := f.only(account.Name).largest(account, shape)
			if fit != nil && (best == nil || fit.OCPUs > best.OCPUs || (fit.OCPUs == best.OCPUs && fit.MemoryGB > best.MemoryGB)) {
				best = fit
			}
		}
	}
	return best
}

// largest is the largest size of a shape, up to the wanted one, with room in the account.
func (f Facts) largest(account Account, shape Shape) *Fit {
	if !IsFlexible(shape.Name) || shape.Unsized {
		return nil
	}
	fits := func(ocpus, memory int64) bool {
		size := shape
		size.Size.OCPUs, size.Size.MemoryGB = ocpus, memory
		f.Shapes = []Shape{size}
		return f.fits()
	}
	// At least a GB and at most 64 GB for each OCPU. Source: OCI documentation, "Compute Shapes",
	// "Flexible Shapes".
	smallest := func(ocpus int64) int64 { return max(leastMemoryGB, ocpus) }
	ocpus := most(f.leastOCPUs(shape.Name), shape.Size.OCPUs, func(n int64) bool { return fits(n, smallest(n)) })
	if ocpus == 0 {
		return nil
	}
	memory := most(smallest(ocpus), min(shape.Size.MemoryGB, 64*ocpus), func(n int64) bool { return fits(ocpus, n) })
	if memory == 0 {
		return nil
	}
	return &Fit{Account: account.Name, Shape: shape.Name, OCPUs: ocpus, MemoryGB: memory}
}

// most is the largest fitting number of the range; 0 if none fits. Less than a fitting one fits,
// too.
func most(least, largest int64, fits func(int64) bool) int64 {
	if least > largest || !fits(least) {
		return 0
	}
	beyond := sort.Search(int(largest-least), func(n int) bool { return !fits(least + 1 + int64(n)) })
	return least + int64(beyond)
}

// leastMemoryGB is what a node needs: kubeadm refuses control planes with less than 1,700 MB
// (kubernetes cmd/kubeadm/app/constants, ControlPlaneMem).
const leastMemoryGB = 2

// leastOCPUs is what a node needs: a control plane two CPUs, which kubeadm checks (kubernetes
// cmd/kubeadm/app/constants, ControlPlaneNumCPU). An OCPU is two of them, but on A1, where it is
// one. Source: OCI documentation, "Compute Shapes".
func (f Facts) leastOCPUs(shape string) int64 {
	if f.ControlPlane && strings.HasPrefix(Family(shape), "Standard.A1") {
		return 2
	}
	return 1
}
