// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package upkeep

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	healedNamespace = "healed"
	workers         = 3
)

func TestAMachineIsRepairedBeforeItIsReplaced(t *testing.T) {
	t.Parallel()
	c := create(t, healedNamespace, []string{paidAccount}, user.Generation{
		Flavor: "single-account", ControlPlanes: 1, Workers: workers,
	}, hurry)
	before := c.instances()
	launched := c.calls("LaunchInstance")

	all := c.workers()
	stopped, hung, broken := all[0], all[1], all[2]
	c.Expect(suite.OCI.StopInstance(stopped.Instance)).To(Succeed())
	c.Eventually(func() int { return c.calls("InstanceAction") }, timeout, interval).Should(Equal(1))
	c.Eventually(func() string { return suite.OCI.InstanceState(stopped.Instance) }, timeout, interval).Should(Equal("RUNNING"))
	c.await(whole)
	c.Expect(c.instances()).To(Equal(before))

	suite.Booter.Stop(hung.Instance)
	c.Eventually(func() int { return c.calls("InstanceAction") }, timeout, interval).Should(Equal(2))
	c.await(whole)
	c.Expect(c.instances()).To(Equal(before))

	suite.Booter.Break(broken.Instance)
	c.await(without(broken))
	c.Expect(c.calls("InstanceAction")).To(Equal(3), "it was reset, as often as there are tries")
	c.Expect(c.calls("LaunchInstance")).To(Equal(launched + 1))
	c.Expect(c.instances()).To(HaveLen(len(before)))

	c.Expect(suite.OCI.TerminateInstance(hung.Instance)).To(Succeed())
	c.await(without(hung))
	c.Expect(c.calls("InstanceAction")).To(Equal(3), "there is nothing to repair")
	c.Expect(c.calls("LaunchInstance")).To(Equal(launched + 2))
	c.delete()
}

// hurry has repairs be tried for as short as can be.
func hurry(g *WithT, o *unstructured.Unstructured) {
	if o.GetKind() == "OCIMeshRemediationTemplate" {
		steps := []any{
			map[string]any{"action": "Start", "tries": int64(1), "timeoutSeconds": int64(30)},
			map[string]any{"action": "SoftReset", "tries": int64(1), "timeoutSeconds": int64(30)},
		}
		g.Expect(unstructured.SetNestedSlice(o.Object, steps, "spec", "template", "spec", "steps")).To(Succeed())
	}
}

func (c *cluster) workers() []watch.Machine {
	return slices.DeleteFunc(slices.Clone(c.last.Machines), func(m watch.Machine) bool { return m.Role != watch.Worker })
}

func whole(s watch.Snapshot) string { return s.Complete(1, workers, version) }

// without returns what is missing until the machine was replaced.
func without(machine watch.Machine) func(watch.Snapshot) string {
	return func(s watch.Snapshot) string {
		if s.Has(machine.Name) {
			return "Machine " + machine.Name + " to be replaced"
		}
		return whole(s)
	}
}
