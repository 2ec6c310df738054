// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestASearchKeepsItsBeginningUntilItBeginsAnew(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	begun := time.Now()
	later, latest := begun.Add(time.Minute), begun.Add(time.Hour)
	var s Searches[string]
	g.Expect(s.Since("one", begun)).To(Equal(begun))
	g.Expect(s.Since("one", later)).To(Equal(begun))
	g.Expect(s.Since("other", later)).To(Equal(later), "a search of its own")
	s.Anew("one", latest)
	g.Expect(s.Since("one", latest.Add(time.Hour))).To(Equal(latest))
	g.Expect(s.Since("other", latest)).To(Equal(later))
	s.Forget("one")
	g.Expect(s.Since("one", later)).To(Equal(later))
}
