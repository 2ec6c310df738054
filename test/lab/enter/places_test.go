// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package enter

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestAPlaceIsTakenOnceAnotherIsGivenBack(t *testing.T) {
	g := NewWithT(t)
	t.Setenv(labsVariable, "2")
	folder := t.TempDir()
	giveBack, err := Place(folder)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = Place(folder)
	g.Expect(err).NotTo(HaveOccurred())
	third := make(chan error, 1)

	go func() {
		_, err := Place(folder)
		third <- err
	}()

	g.Consistently(third, 3*time.Second).ShouldNot(Receive())
	g.Expect(giveBack()).To(Succeed())
	g.Eventually(third, time.Minute).Should(Receive(BeNil()))
}

func TestWhoDoesNotSayHowManyLabsThereMayBeWaitsForNone(t *testing.T) {
	g := NewWithT(t)
	t.Setenv(labsVariable, "")
	for range 3 {
		giveBack, err := Place(t.TempDir())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(giveBack()).To(Succeed())
	}
	t.Setenv(labsVariable, "some")
	_, err := Place(t.TempDir())
	g.Expect(err).To(MatchError(ContainSubstring(labsVariable)))
}
