// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
)

func TestAMachineIsNewUntilSomethingMayHaveBeenMadeForIt(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	key := client.ObjectKey{Namespace: "default", Name: "worker"}
	var c creations
	g.Expect(c.isNew(key, "uid")).To(BeFalse(), "another process may have made something")
	c.begin(key, "uid")
	g.Expect(c.isNew(key, "uid")).To(BeTrue())
	g.Expect(c.isNew(key, "another")).To(BeFalse(), "a namesake")
	c.mayHaveMade(key)
	g.Expect(c.isNew(key, "uid")).To(BeFalse())
	c.begin(key, "uid")
	c.forget(key)
	g.Expect(c.isNew(key, "uid")).To(BeFalse())
}

func TestADeletionsSearchDoesNotBeginAnewWithALaunch(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	key, begun := client.ObjectKey{Namespace: "default", Name: "worker"}, time.Now()
	later, latest := begun.Add(time.Minute), begun.Add(time.Hour)
	adopting, deleting := instances.Search{Machine: key}, instances.Search{Machine: key, Deleting: true}
	var c creations
	g.Expect(c.searches.Since(adopting, begun)).To(Equal(begun))
	g.Expect(c.searches.Since(deleting, later)).To(Equal(later), "a search of its own")
	c.searchAnew(key, latest)
	g.Expect(c.searches.Since(adopting, latest.Add(time.Hour))).To(Equal(latest))
	g.Expect(c.searches.Since(deleting, latest)).To(Equal(later), "a deletion launches nothing")
	c.forget(key)
	g.Expect(c.searches.Since(adopting, latest)).To(Equal(latest))
}
