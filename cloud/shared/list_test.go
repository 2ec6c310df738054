// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package shared_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/shared"
)

// slowly reads a list in a second of the test's fake clock (testing/synctest), and counts.
func slowly(reads *atomic.Int32, err error) func(context.Context) (int32, error) {
	return func(context.Context) (int32, error) {
		time.Sleep(time.Second)
		return reads.Add(1), err
	}
}

func patience(d time.Duration) func(time.Duration) time.Duration {
	return func(time.Duration) time.Duration { return d }
}

func TestOneReadsForAllWhoAskMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		list := &shared.List[int32]{Wait: patience(time.Minute)}
		var reads atomic.Int32
		now := time.Now()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				value, err := list.Since(t.Context(), now, slowly(&reads, nil))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(value).To(Equal(int32(1)))
			})
		}
		all.Wait()
		g.Expect(reads.Load()).To(Equal(int32(1)))
		g.Expect(list.Took()).To(Equal(time.Second))
		g.Expect(list.NotBefore(time.Second)).To(Equal(time.Now().Add(-4 * time.Second)))
		g.Expect(list.NotBefore(time.Minute)).To(Equal(time.Now().Add(-time.Minute)))
	})
}

func TestAListThatWasBegunEarlierIsReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		list := &shared.List[int32]{Wait: patience(time.Minute)}
		var reads atomic.Int32
		go func() { _, _ = list.Since(t.Context(), time.Now(), slowly(&reads, nil)) }()
		time.Sleep(time.Second / 2)
		value, err := list.Since(t.Context(), time.Now(), slowly(&reads, nil))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(value).To(Equal(int32(2)), "the one under way may not show what has happened since")
		value, err = list.Since(t.Context(), time.Now().Add(-time.Second), slowly(&reads, nil))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(value).To(Equal(int32(2)))
	})
}

func TestAFailureIsForAllWhoWaitedAndForNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		list := &shared.List[int32]{Wait: patience(time.Minute)}
		var reads atomic.Int32
		broken := errors.New("broken")
		now := time.Now()
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				_, err := list.Since(t.Context(), now, slowly(&reads, broken))
				g.Expect(err).To(MatchError(broken))
			})
		}
		all.Wait()
		g.Expect(reads.Load()).To(Equal(int32(1)))
		_, err := list.Since(t.Context(), now, slowly(&reads, nil))
		g.Expect(err).NotTo(HaveOccurred())
	})
}

func TestAPanicIsNoListAndKeepsNobodyFromReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		list := &shared.List[int32]{Wait: patience(time.Minute)}
		var reads atomic.Int32
		now := time.Now()
		waits := make(chan error, 1)
		go func() {
			defer func() { _ = recover() }()
			_, _ = list.Since(t.Context(), now, func(context.Context) (int32, error) {
				time.Sleep(time.Second)
				panic("malformed")
			})
		}()
		synctest.Wait()
		go func() {
			_, err := list.Since(t.Context(), now, slowly(&reads, nil))
			waits <- err
		}()
		g.Expect(<-waits).To(MatchError(ContainSubstring("not read to its end")))
		value, err := list.Since(t.Context(), now, slowly(&reads, nil))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(value).To(Equal(int32(1)))
	})
}

func TestNobodyWaitsForLongerThanHeMay(t *testing.T) {
	for name, world := range map[string]struct {
		wait    func(time.Duration) time.Duration
		timeout time.Duration
		want    error
		after   time.Duration
	}{
		"a list that waits for nobody":    {nil, time.Minute, shared.ErrSlow, 0},
		"a list that takes too long":      {patience(time.Second / 4), time.Minute, shared.ErrSlow, time.Second / 4},
		"a caller who has less time left": {patience(time.Minute), time.Second / 2, context.DeadlineExceeded, time.Second / 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				list := &shared.List[int32]{Wait: world.wait}
				var reads atomic.Int32
				go func() { _, _ = list.Since(t.Context(), time.Now(), slowly(&reads, nil)) }()
				synctest.Wait()
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), world.timeout)
				defer cancel()
				_, err := list.Since(ctx, time.Now(), slowly(&reads, nil))
				g.Expect(err).To(MatchError(world.want))
				g.Expect(time.Since(began)).To(Equal(world.after))
				time.Sleep(time.Second)
			})
		})
	}
}
