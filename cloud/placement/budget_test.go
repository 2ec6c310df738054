// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"math/rand/v2"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func figure(n int64) *int64 { return &n }

func TestFamiliesOfShapes(t *testing.T) {
	for shape, want := range map[string]struct {
		family, limit string
	}{
		arm:                      {"Standard.A1", "standard-a1-core-count"},
		"VM.Standard.E2.1.Micro": {"Standard.E2.Micro", "standard-e2-micro-core-count"},
		"VM.Standard3.Flex":      {"Standard3", "standard3-core-count"},
		"VM.Standard2.4":         {"Standard2", "standard2-core-count"},
		"BM.Standard.E4.128":     {"Standard.E4", "standard-e4-core-count"},
		"":                       {"", "-core-count"},
	} {
		g := NewWithT(t)
		g.Expect(Family(shape)).To(Equal(want.family), shape)
		g.Expect(CoreLimit(Family(shape))).To(Equal(want.limit), shape)
	}
}

func TestAMachinesSizeHasItsVolumes(t *testing.T) {
	g := NewWithT(t)
	spec := infrav1.OCIMeshMachineSpec{Shapes: []infrav1.Shape{{Name: arm, OCPUs: 2, MemoryGB: 12}}}
	g.Expect(ShapeNamed(spec, arm, nil).Size).To(Equal(Size{1, 2, 12, DefaultBootVolumeGB}))
	spec.BootVolume.SizeGB, spec.DataVolumes = 100, []infrav1.DataVolume{{SizeGB: 50}, {SizeGB: 60}}
	g.Expect(ShapeNamed(spec, arm, nil).Size).To(Equal(Size{1, 2, 12, 210}))
}

func TestABudgetSaysWhatIsMissing(t *testing.T) {
	used := func(size Size) []Use { return []Use{{Family: Family(arm), Size: size}} }
	for name, world := range map[string]struct {
		budget Budget
		used   []Use
		limits []Limit
		want   string
	}{
		"nothing is bounded":   {Budget{}, used(Size{100, 100, 100, 100}), nil, ""},
		"the last of it":       {Budget{VolumeGB: figure(100)}, used(Size{1, 1, 6, 50}), nil, ""},
		"volumes":              {Budget{VolumeGB: figure(99)}, used(Size{1, 1, 6, 50}), nil, "its budget has 49 of 99 GB of volumes left, and 50 are needed"},
		"OCPUs":                {Budget{Families: map[string]Bound{Family(arm): {OCPUs: figure(2)}}}, used(Size{1, 2, 6, 50}), nil, "its budget has 0 of 2 OCPUs of Standard.A1 left, and 1 are needed"},
		"lowered below use":    {Budget{Families: map[string]Bound{Family(arm): {OCPUs: figure(1)}}}, used(Size{2, 2, 6, 50}), nil, "its budget has 0 of 1 OCPUs of Standard.A1 left, and 1 are needed"},
		"another family":       {Budget{Families: map[string]Bound{Family(x86): {}}}, nil, nil, "its budget does not list family Standard.A1"},
		"others do not count":  {Budget{VolumeGB: figure(50)}, []Use{{Family: Family(arm), Others: true, Size: Size{1, 1, 6, 50}}}, nil, ""},
		"but for OCI's limits": {Budget{}, []Use{{"alice:ad-1", Family(arm), true, "", Size{1, 1, 6, 50}}}, []Limit{{"alice:ad-1", Family(arm), figure(1), nil}}, "OCI's limit standard-a1-core-count leaves the compartment 1 and 1 are in use"},
		"a limit elsewhere":    {Budget{}, nil, []Limit{{"alice:ad-2", Family(arm), figure(0), nil}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			a := account("alice", "ad-1")
			a.Budget, a.Used, a.Limits = world.budget, world.used, world.limits
			decision := Decide(Facts{Now: time.Time{}, Shapes: shapes(arm), Accounts: []Account{a}})
			if world.want == "" {
				g.Expect(decision.Candidates).NotTo(BeEmpty())
				return
			}
			g.Expect(decision.Candidates).To(BeEmpty())
			g.Expect(decision.Rejections).To(HaveLen(1))
			g.Expect(decision.Rejections[0].Message).To(Equal(world.want))
		})
	}
}

const (
	gpu   = "VM.GPU.A10.1"
	metal = "BM.GPU.A10.4"
)

// Sizes of docs.oracle.com, Compute/References/computeshapes.htm.
var gpuSizes = Sizes{gpu: {OCPUs: 15, MemoryGB: 240}, metal: {OCPUs: 64, MemoryGB: 1024}}

func TestAShapeThatIsNotFlexibleHasItsOwnSize(t *testing.T) {
	for name, test := range map[string]struct {
		shape   infrav1.Shape
		size    Size
		unsized bool
	}{
		"a flexible one":        {infrav1.Shape{Name: arm, OCPUs: 2, MemoryGB: 12}, Size{1, 2, 12, 50}, false},
		"a GPU":                 {infrav1.Shape{Name: gpu}, Size{1, 15, 240, 50}, false},
		"bare metal":            {infrav1.Shape{Name: metal}, Size{1, 64, 1024, 50}, false},
		"one that is not known": {infrav1.Shape{Name: "VM.Standard2.4"}, Size{1, 0, 0, 50}, true},
	} {
		NewWithT(t).Expect(ShapeOf(infrav1.OCIMeshMachineSpec{}, test.shape, gpuSizes)).To(
			Equal(Shape{Name: test.shape.Name, Size: test.size, Unsized: test.unsized}), name)
	}
}

func TestABudgetOfSizesNeedsSizes(t *testing.T) {
	const unknown = "its budget bounds OCPUs or memory of family GPU.A10, and OCI has not told the size of shape "
	ocpus := Bound{OCPUs: figure(64)}
	for name, world := range map[string]struct {
		sizes Sizes
		bound Bound
		used  []Use
		want  string
	}{
		"15 OCPUs fit":                         {gpuSizes, Bound{OCPUs: figure(15)}, nil, ""},
		"more do not":                          {gpuSizes, Bound{OCPUs: figure(14)}, nil, "its budget has 14 of 14 OCPUs of GPU.A10 left, and 15 are needed"},
		"bare metal counts":                    {gpuSizes, ocpus, []Use{{Family: "GPU.A10", Size: gpuSizes[metal]}}, "its budget has 0 of 64 OCPUs of GPU.A10 left, and 15 are needed"},
		"the size is not known":                {nil, ocpus, nil, unknown + gpu},
		"nor that of memory":                   {nil, Bound{MemoryGB: figure(1000)}, nil, unknown + gpu},
		"it is not bounded":                    {nil, Bound{Instances: figure(1)}, nil, ""},
		"the size of what is there is unknown": {gpuSizes, ocpus, []Use{{Family: "GPU.A10", Unsized: metal}}, unknown + metal},
		"what is there is another family":      {gpuSizes, ocpus, []Use{{Family: "Standard2", Unsized: "VM.Standard2.4"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			a := account("alice", "ad-1")
			a.Budget.Families, a.Used = map[string]Bound{"GPU.A10": world.bound}, world.used
			decision := Decide(Facts{Shapes: []Shape{ShapeOf(infrav1.OCIMeshMachineSpec{}, infrav1.Shape{Name: gpu}, world.sizes)}, Accounts: []Account{a}})
			if world.want == "" {
				g.Expect(decision.Candidates).NotTo(BeEmpty())
				return
			}
			g.Expect(decision.Candidates).To(BeEmpty())
			g.Expect(decision.Rejections[0].Message).To(Equal(world.want))
		})
	}
}

// Decisions that each see the ones before, in any order and with machines that leave, never exceed
// a budget and give all of it away.
func TestDecisionsInAnyOrderFillABudgetAndNeverExceedIt(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 7))
		accounts := []Account{account("alice", "ad-1", "ad-2"), account("bob", "ad-1")}
		room := int64(0)
		for i := range accounts {
			n := random.Int64N(8)
			accounts[i].Budget = Budget{Families: map[string]Bound{Family(arm): {Instances: figure(n)}}}
			room += n
		}
		launched := int64(0)
		for range 40 {
			decision := Decide(Facts{Group: "g", Shapes: shapes(arm), Accounts: accounts})
			if len(decision.Candidates) == 0 {
				break
			}
			// A machine may have to go on to any candidate of the list.
			at := decision.Candidates[random.IntN(len(decision.Candidates))]
			for i := range accounts {
				if accounts[i].Name == at.Account {
					accounts[i].Used = append(accounts[i].Used, Use{AvailabilityDomain: at.AvailabilityDomain, Family: Family(arm), Size: shapes(arm)[0].Size})
				}
			}
			launched++
			if launched > 0 && random.IntN(4) == 0 {
				for i := range accounts {
					if n := len(accounts[i].Used); n > 0 {
						accounts[i].Used = accounts[i].Used[:n-1]
						launched--
						break
					}
				}
			}
			if launched > room {
				t.Fatalf("seed %d: %d machines, room for %d", seed, launched, room)
			}
		}
		for _, a := range accounts {
			if used, most := int64(len(a.Used)), *a.Budget.Families[Family(arm)].Instances; used > most {
				t.Fatalf("seed %d: %s has %d machines, budget %d", seed, a.Name, used, most)
			}
		}
	}
}

func TestAlwaysFreeIsData(t *testing.T) {
	g := NewWithT(t)
	yes := true
	g.Expect(BudgetOf(infrav1.AccountBudget{AlwaysFree: &yes})).To(Equal(AlwaysFree()))
	g.Expect(AlwaysFree().VolumeGB).To(HaveValue(BeEquivalentTo(200)))
}
