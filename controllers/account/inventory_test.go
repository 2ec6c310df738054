// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestTheInventoryShowsWhatIsUsedAndLeft(t *testing.T) {
	g := NewWithT(t)
	w, r, account := newStocked(t)

	reconciled(t, r, account)

	g.Expect(account.Status.Machines).To(HaveValue(BeEquivalentTo(1)))
	g.Expect(account.Status.Usage).To(HaveLen(2))
	used := account.Status.Usage[0]
	g.Expect(used.Family).To(Equal("Standard.A1"))
	g.Expect(used.Used).To(Equal(infrav1.ResourceAmount{Instances: ptr.To[int32](1), OCPUs: ptr.To[int32](1), MemoryGB: ptr.To[int32](6)}))
	g.Expect(used.Free).To(Equal(infrav1.ResourceAmount{OCPUs: ptr.To[int32](1), MemoryGB: ptr.To[int32](6)}))
	g.Expect(account.Status.Volumes).To(Equal(infrav1.VolumeUsage{
		UsedGB: ptr.To[int32](60), BudgetGB: ptr.To[int32](200), FreeGB: ptr.To[int32](140),
	}))
	g.Expect(account.Status.Summary).To(Equal(infrav1.AccountSummary{Used: "A1 1/2 OCPU 6/12 GB, E2.Micro 0/2", Volumes: "60/200 GB"}))
	var limits []string
	for _, limit := range account.Status.Limits {
		limits = append(limits, limit.Name)
		g.Expect(limit.AvailabilityDomain).NotTo(BeEmpty())
		// Other people have a Micro instance in the compartment, which is no machine of ours.
		used := int64(0)
		if limit.Name == "standard-e2-micro-core-count" {
			used = 1
		}
		g.Expect(limit.Used).To(HaveValue(Equal(used)))
		g.Expect(limit.Available).To(HaveValue(Equal(*limit.Value - used)))
	}
	g.Expect(limits).To(ConsistOf("standard-a1-core-count", "standard-a1-memory-count", "standard-e2-micro-core-count"))
	g.Expect(account.Status.LimitsMessage).To(BeEmpty())
	version := account.ResourceVersion
	w.OCI.ResetCalls()
	for range 5 {
		reconciled(t, r, account)
	}
	g.Expect(account.ResourceVersion).To(Equal(version), "what has not changed is not written")
	g.Expect(w.OCI.CallCounts("")["ListLimitValues"]).To(BeZero(), "limits are read rarely")
}

func TestStrangeFamiliesHideNoCommonOne(t *testing.T) {
	g := NewWithT(t)
	sums := tally{ours: map[string]placement.Size{"Standard.E5": {Instances: 2}}, others: map[string]placement.Size{}}
	for i := range 2 * maxFamilies {
		sums.ours[fmt.Sprintf("Aaa.%03d", i)] = placement.Size{Instances: 1}
	}
	status := infrav1.OCIAccountStatus{}
	sums.write(&status, placement.Budget{Families: map[string]placement.Bound{"Standard.A1": {}}})
	var families []string
	for _, usage := range status.Usage {
		families = append(families, usage.Family)
	}
	g.Expect(families).To(And(HaveLen(maxFamilies), ContainElements("Standard.A1", "Standard.E5")))
	g.Expect(slices.IsSorted(families)).To(BeTrue())
}

// What "kubectl get ociaccounts" asks the API server for.
func TestTheColumnsAreAnOperatorsPage(t *testing.T) {
	g := NewWithT(t)
	_, r, account := newStocked(t)
	at := capacity.Place{Account: account.Name, AvailabilityDomain: "ad", Shape: arm}
	r.Pollers.Shortages(account).Record(at, capacity.Size{OCPUs: 1, MemoryGB: 6}, cloud.LimitExceeded, time.Now())
	reconciled(t, r, account)

	columns, cells := table(t.Context(), g, account)

	g.Expect(columns).To(Equal([]string{
		"Name", "Region", "Ready", "Reason", "Machines", "Used", "Volumes", "Short", "Age", "Strays", "Limits", "Message",
	}))
	t.Logf("\n%s\n%s", strings.Join(columns[:9], "   "), strings.Join(cells[:9], "   "))
	g.Expect(cells[1:7]).To(Equal([]string{helpers.Region, "True", "Ready", "1", "A1 1/2 OCPU 6/12 GB, E2.Micro 0/2", "60/200 GB"}))
	g.Expect(cells[7]).To(HavePrefix("A1 LimitExceeded until "))
}

// table is what kubectl prints of an account with -o wide.
func table(ctx context.Context, g *WithT, account *infrav1.OCIAccount) (columns, cells []string) {
	c, err := rest.HTTPClientFor(env.Config)
	g.Expect(err).NotTo(HaveOccurred())
	address, err := url.JoinPath(env.Config.Host, "apis", infrav1.GroupVersion.Group, infrav1.GroupVersion.Version, "ociaccounts", account.Name)
	g.Expect(err).NotTo(HaveOccurred())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	g.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	response, err := c.Do(request)
	g.Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	var printed metav1.Table
	g.Expect(json.NewDecoder(response.Body).Decode(&printed)).To(Succeed())
	for _, column := range printed.ColumnDefinitions {
		columns = append(columns, column.Name)
	}
	g.Expect(printed.Rows).To(HaveLen(1))
	for _, cell := range printed.Rows[0].Cells {
		cells = append(cells, fmt.Sprint(cell))
	}
	return columns, cells
}
