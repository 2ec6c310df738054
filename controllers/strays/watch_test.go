// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package strays

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
)

var (
	start  = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	policy = Policy{Looks: 3, Age: 10 * time.Minute}
)

const here types.UID = "here"

// diary is a watch and the time.
type diary struct {
	Watch
	now time.Time
}

// look lets the time pass and looks.
func (d *diary) look(after time.Duration, ids ...string) []string {
	d.now = d.now.Add(after)
	return d.Look(here, d.now, policy, ids)
}

func TestASuspectIsAskedForOnceItWasSeenOftenAndLong(t *testing.T) {
	for name, world := range map[string]struct {
		looks []time.Duration
		want  bool
	}{
		"seen once":                   {[]time.Duration{0}, false},
		"seen often in a short time":  {[]time.Duration{0, time.Minute, time.Minute, time.Minute, time.Minute}, false},
		"seen for long, but rarely":   {[]time.Duration{0, time.Hour}, false},
		"seen often and for long":     {[]time.Duration{0, 5 * time.Minute, 5 * time.Minute}, true},
		"seen often and just too few": {[]time.Duration{0, 5 * time.Minute, 5*time.Minute - time.Second}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := &diary{now: start}
			var ask []string
			for _, after := range world.looks {
				ask = d.look(after, "a")
			}
			g.Expect(len(ask) == 1).To(Equal(world.want))
			found, _, suspects := d.All(here, Told{})
			g.Expect(found).To(BeEmpty(), "nobody has asked")
			g.Expect(suspects).To(Equal(1))
		})
	}
}

func TestAStrayIsWhatTheAPIServerHasNoObjectFor(t *testing.T) {
	g := NewWithT(t)
	d := &diary{now: start}
	d.look(0, "a", "b")
	d.look(5*time.Minute, "a", "b", "late")
	g.Expect(d.look(5*time.Minute, "a", "b", "late")).To(Equal([]string{"a", "b"}))

	d.Alone(here, "a", d.now)
	d.Owned(here, "b")

	found, _, suspects := d.All(here, Told{})
	g.Expect(found).To(Equal([]Stray{{ID: "a", Since: start}}))
	g.Expect(suspects).To(Equal(1), "late")
	g.Expect(d.look(time.Minute, "a", "b")).To(BeEmpty(), "the one was asked for, the other's time begins anew")
	_, _, suspects = d.All(here, Told{})
	g.Expect(suspects).To(BeZero(), "what has an object is none")

	d.look(5*time.Minute, "a", "b")
	g.Expect(d.look(5*time.Minute, "a", "b")).To(Equal([]string{"b"}))
	d.Alone(here, "b", d.now)
	found, _, _ = d.All(here, Told{})
	g.Expect(found).To(Equal([]Stray{{ID: "a", Since: start}, {ID: "b", Since: start.Add(10 * time.Minute)}}))

	g.Expect(d.look(time.Hour, "a")).To(Equal([]string{"a"}), "it is asked for again once in a while")
	found, _, _ = d.All(here, Told{})
	g.Expect(found).To(HaveLen(1), "what is not seen any more is none")
}

// Other managers write the status, and so did this one before it was started anew.
func TestWhatAProcessDoesNotKnowIsAsTheStatusTells(t *testing.T) {
	earlier := start.Add(-time.Hour)
	for name, world := range map[string]struct {
		said     func(d *diary)
		told     map[string]time.Time
		want     []Stray
		suspects int
	}{
		"not asked for yet, told of":     {func(*diary) {}, map[string]time.Time{"a": earlier}, []Stray{{"a", earlier}}, 0},
		"not asked for yet, not told of": {func(*diary) {}, nil, nil, 1},
		"hidden, told of":                {func(d *diary) { d.Hidden(here, "a") }, map[string]time.Time{"a": earlier}, []Stray{{"a", earlier}}, 0},
		"hidden, not told of":            {func(d *diary) { d.Hidden(here, "a") }, nil, nil, 0},
		"alone, told of":                 {func(d *diary) { d.Alone(here, "a", d.now) }, map[string]time.Time{"a": earlier}, []Stray{{"a", earlier}}, 0},
		"alone, not told of":             {func(d *diary) { d.Alone(here, "a", d.now) }, nil, []Stray{{"a", start}}, 0},
		"owned, told of":                 {func(d *diary) { d.Owned(here, "a") }, map[string]time.Time{"a": earlier}, nil, 0},
		"seen no more, told of":          {func(d *diary) { d.look(time.Minute) }, map[string]time.Time{"a": earlier}, nil, 0},
		"hidden, then alone": {func(d *diary) {
			d.Hidden(here, "a")
			d.Alone(here, "a", d.now)
		}, nil, []Stray{{"a", start}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := &diary{now: start}
			d.look(0, "a")
			world.said(d)
			found, count, suspects := d.All(here, Told{Count: len(world.told), Named: world.told})
			g.Expect(found).To(Equal(world.want))
			g.Expect(count).To(Equal(len(found)))
			g.Expect(suspects).To(Equal(world.suspects))
		})
	}
}

// page is a status that managers of two namespaces write.
type page struct {
	named []Stray
	count int
}

func (p *page) writtenBy(d *diary) {
	told := Told{Count: p.count, Named: map[string]time.Time{}, Group: func(id string) string { return id[:1] }}
	for _, stray := range p.named {
		told.Named[stray.ID] = stray.Since
	}
	found, count, _ := d.All(here, told)
	*p = page{found[:min(Named, len(found))], count}
}

// lookIn is a look of who may ask for what is of one namespace.
func (d *diary) lookIn(namespace string, now time.Time, ids []string) {
	for _, id := range d.Look(here, now, policy, ids) {
		if strings.HasPrefix(id, namespace) {
			d.Alone(here, id, now)
		} else {
			d.Hidden(here, id)
		}
	}
}

// Each may ask for what is of its own namespace only, and each write of the one wakes the other. Of
// more of each than can be named, nobody knows all.
func TestManagersDoNotWriteOverWhatOthersCountAndDoNotName(t *testing.T) {
	for name, world := range map[string]struct {
		of map[string]int
		// want are those that are counted, left those once one is gone.
		want, left int
	}{
		"few of one":                     {map[string]int{"a": 3}, 3, 2},
		"one more than are named":        {map[string]int{"a": Named + 1}, Named + 1, Named},
		"many of both":                   {map[string]int{"a": 10, "b": 10}, 20, 19},
		"one beside many others":         {map[string]int{"a": Named + 1, "b": 1}, Named + 2, Named + 1},
		"more of each than can be named": {map[string]int{"a": 20, "b": 20}, Named + 20, Named + 19},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var ids []string
			for namespace, number := range world.of {
				for i := range number {
					ids = append(ids, fmt.Sprintf("%s%02d", namespace, i))
				}
			}
			managers, status := map[string]*diary{"a": {}, "b": {}}, &page{}
			now := start
			turn := func() {
				now = now.Add(5 * time.Minute)
				for _, namespace := range []string{"a", "b"} {
					managers[namespace].lookIn(namespace, now, ids)
					status.writtenBy(managers[namespace])
				}
			}
			stays := func(why string) {
				written := *status
				for range 4 {
					for _, namespace := range []string{"a", "b"} {
						status.writtenBy(managers[namespace])
						g.Expect(*status).To(Equal(written), why+": "+namespace)
					}
					turn()
					g.Expect(*status).To(Equal(written), why)
				}
			}
			for range 4 {
				turn()
			}
			g.Expect(status.count).To(Equal(world.want))
			stays("as it was")
			for _, namespace := range []string{"a", "b"} {
				managers[namespace] = &diary{}
				managers[namespace].lookIn(namespace, now, ids)
				stays("one was started anew")
			}

			gone := status.named[0].ID
			ids = slices.DeleteFunc(ids, func(id string) bool { return id == gone })
			turn()
			turn()
			g.Expect(status.count).To(Equal(world.left))
			stays("one is gone")
		})
	}
}

func TestWhatDisappearsForAMomentBeginsAnew(t *testing.T) {
	g := NewWithT(t)
	d := &diary{now: start}
	d.look(0, "a")
	d.look(9*time.Minute, "a")
	d.look(30 * time.Second)
	g.Expect(d.look(time.Minute, "a")).To(BeEmpty())
}

func TestALookIsTakenOnce(t *testing.T) {
	g := NewWithT(t)
	d := &diary{now: start}
	g.Expect(d.Fresh(here, start)).To(BeTrue())
	d.look(0)
	g.Expect(d.Fresh(here, start)).To(BeFalse())
	g.Expect(d.Fresh("elsewhere", start)).To(BeTrue())
	g.Expect(d.Fresh(here, start.Add(time.Second))).To(BeTrue())
	d.Forget(here)
	g.Expect(d.Fresh(here, start)).To(BeTrue())
}

func TestManySuspectsAreAskedForInTurns(t *testing.T) {
	g := NewWithT(t)
	d := &diary{now: start}
	var ids []string
	for i := range 250 {
		ids = append(ids, fmt.Sprintf("i-%03d", i))
	}
	d.look(0, ids...)
	d.look(5*time.Minute, ids...)
	asked := map[string]bool{}
	for _, after := range []time.Duration{5 * time.Minute, time.Minute, time.Minute} {
		for _, id := range d.look(after, ids...) {
			asked[id] = true
			d.Alone(here, id, d.now)
		}
	}
	g.Expect(asked).To(HaveLen(250))
	g.Expect(d.look(time.Minute, ids...)).To(BeEmpty())
}

func TestNamesOfOthersMakeNoLinesOfTheirOwn(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Text("a\nb\x1b[31m\u202e c ", 40)).To(Equal("ab[31m c"))
	g.Expect(Text(string([]byte{'a', 0xff, 'b'}), 40)).To(Equal("ab"))
	g.Expect(len(Text(strings.Repeat("ü", 300), 255))).To(BeNumerically("<=", 255))
	for id, want := range map[string]bool{
		"ocid1.instance.oc1.eu-frankfurt-1.aaaa_b": true, "17": true, "nDev1CNTRL": true,
		"": false, "a; reboot": false, "$(reboot)": false, "a\nb": false, strings.Repeat("a", 256): false,
	} {
		g.Expect(IsID(id, 255)).To(Equal(want), id)
	}
}
