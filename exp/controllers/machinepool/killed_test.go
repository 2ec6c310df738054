// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// crash is the end of the process right before or right after one of its calls. From then on
// nothing that it does reaches the API server, so that no status is written, until restart begins
// another one.
type crash struct {
	// operation is OCI's or the tailnet's, or a verb and a kind of the API server's, as "create
	// Secret".
	operation string
	nth       int
	after     bool
	// calls counts calls to OCI or the tailnet; nil if the operation is the API server's.
	calls func() int

	mu         sync.Mutex
	writes     int
	dead, done bool
}

var errKilled = errors.New("the process was killed")

// over begins the next process; killed tells whether the last one was.
func (c *crash) over() (killed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	killed = c.dead
	c.done, c.dead = c.done || c.dead, false
	return killed
}

// struck tells whether the process of now was killed.
func (c *crash) struck() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

func (c *crash) happened() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

// do makes a call to the API server, or not.
func (c *crash) do(operation string, call func() error) error {
	c.mu.Lock()
	if !c.done && c.calls != nil && c.calls() >= c.nth {
		c.dead = true
	}
	hit := false
	if !c.done && operation == c.operation {
		c.writes++
		hit = c.writes == c.nth
	}
	c.dead = c.dead || hit
	dead := c.dead
	c.mu.Unlock()
	if dead && (!hit || !c.after) {
		return errKilled
	}
	if err := call(); err != nil || !dead {
		return err
	}
	return errKilled
}

// mortal is the API server as a process sees it that can be killed.
type mortal struct {
	client.Client
	crash *crash
}

func (m *mortal) named(verb string, object client.Object) string {
	gvk, _ := apiutil.GVKForObject(object, m.Scheme())
	return verb + " " + gvk.Kind
}

func (m *mortal) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return m.crash.do("", func() error { return m.Client.Get(ctx, key, object, options...) })
}

func (m *mortal) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return m.crash.do("", func() error { return m.Client.List(ctx, list, options...) })
}

func (m *mortal) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	return m.crash.do(m.named("create", object), func() error { return m.Client.Create(ctx, object, options...) })
}

func (m *mortal) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	return m.crash.do(m.named("update", object), func() error { return m.Client.Update(ctx, object, options...) })
}

func (m *mortal) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	return m.crash.do(m.named("patch", object), func() error { return m.Client.Patch(ctx, object, patch, options...) })
}

func (m *mortal) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	return m.crash.do(m.named("delete", object), func() error { return m.Client.Delete(ctx, object, options...) })
}

func (m *mortal) Status() client.SubResourceWriter { return &mortalStatus{m.Client.Status(), m} }

type mortalStatus struct {
	client.SubResourceWriter
	of *mortal
}

func (m *mortalStatus) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	return m.of.crash.do(m.of.named("patch status of", object), func() error { return m.SubResourceWriter.Patch(ctx, object, patch, options...) })
}

// A process that is killed writes no status any more, unlike one that gets an error. What it did
// last is done, or not.
func TestAProcessKilledAnywhereDuplicatesNothingAndLeavesNothing(t *testing.T) {
	helpers.WithoutRaceDetector(t)
	places := map[string]int{
		"CreateInstanceConfiguration": 1, "CreateInstancePool": 1, "UpdateInstancePool": 1, "GetInstancePool": 1, "ListInstancePools": 1,
		"ListInstanceConfigurations": 1, "DetachInstancePoolInstance": 1, "TerminateInstancePool": 1, "DeleteInstanceConfiguration": 1,
		"GetInstance": 1, "ListVolumeAttachments": 2, "ListVolumes": 2, "DeleteVolume": 1,
		"create Secret": 1, "delete Secret": 1, "create OCIMeshMachinePoolMachine": 2, "delete Machine": 1,
		"patch OCIMeshMachinePool": 1, "patch status of OCIMeshMachinePool": 3,
		"patch OCIMeshMachinePoolMachine": 1, "patch status of OCIMeshMachinePoolMachine": 3,
	}
	for operation, times := range places {
		for nth := 1; nth <= times; nth++ {
			for _, after := range []bool{false, true} {
				when := map[bool]string{false: "before", true: "after"}[after]
				t.Run(fmt.Sprintf("%s %s %d", when, operation, nth), func(t *testing.T) {
					t.Parallel()
					g := NewWithT(t)
					b := newBench(t, 2)
					b.restartEachPass, b.crash = true, &crash{operation: operation, nth: nth, after: after}
					if !strings.Contains(operation, " ") {
						b.crash.calls = func() int { return b.calls(operation) }
						b.OCI.AddFault(sim.Fault{Operation: operation, Skip: nth - 1, AfterCommit: after, Reset: true})
					}

					b.untilReady(t, 2)
					g.Expect(b.left(t, "instancepool")).To(Equal(1))
					b.scaleTo(t, 1)
					b.untilReady(t, 1)
					b.delete(t)

					b.expectNothingLeft(t)
					g.Expect(b.crash.happened()).To(BeTrue(), "the process was never killed")
				})
			}
		}
	}
}

// What a process takes from a pool at rest is not launched from by the next one, whatever the pool
// is to have by then.
func TestAProcessKilledOnTheWayToRestLeavesNoKeyThatIsRevoked(t *testing.T) {
	helpers.WithoutRaceDetector(t)
	places := map[string]func(*bench) *crash{
		"after its key was revoked": func(b *bench) *crash {
			revoked := func() int { return len(b.Control.Keys()) - len(b.keys()) }
			return &crash{operation: "revoke a key", calls: revoked, nth: revoked() + 1}
		},
	}
	for operation, times := range map[string]int{"delete Secret": 1, "patch status of OCIMeshMachinePool": 3} {
		for nth := 1; nth <= times; nth++ {
			for when, after := range map[string]bool{"before": false, "after": true} {
				places[fmt.Sprintf("%s %s %d", when, operation, nth)] = func(*bench) *crash {
					return &crash{operation: operation, nth: nth, after: after}
				}
			}
		}
	}
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, 2)
			b.restartEachPass = true
			b.untilReady(t, 2)
			b.scaleTo(t, 0)
			// The next pass is the first that sees none.
			b.until(t, func(g Gomega) { g.Expect(b.calls("DetachInstancePoolInstance")).To(Equal(2)) })
			g.Expect(b.keys()).To(HaveLen(1), "the pool is not at rest yet")
			b.crash = place(b)
			eventually(g, func(g Gomega) {
				_ = b.pass(t.Context())
				g.Expect(b.crash.struck()).To(BeTrue(), "the process was never killed")
			})

			b.scaleTo(t, 2)
			b.untilReady(t, 2)
			b.delete(t)
			b.expectNothingLeft(t)
		})
	}
}
