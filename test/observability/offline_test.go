// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/scrape"
)

func TestOnlyManyOfflineDevicesAtOnceAreACoordinationServersFault(t *testing.T) {
	g := NewWithT(t)
	all := rules(t)
	alert := all[slices.IndexFunc(all, func(r scrape.Rule) bool { return r.Alert == "CapomDevicesOffline" })].Expr
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		for tailnet, offline := range map[string]int{"one of nine": 1, "two of nine": 2, "three of nine": 3, "all of nine": 9, "three of ninety": 3} {
			online := 9 - offline
			if tailnet == "three of ninety" {
				online = 87
			}
			_, _ = fmt.Fprintf(w, "capom_tailnet_devices{tailnet=%q,state=\"offline\"} %d\n", tailnet, offline)
			_, _ = fmt.Fprintf(w, "capom_tailnet_devices{tailnet=%q,state=\"online\"} %d\n", tailnet, online)
		}
	}
	of := func(tailnet string) string {
		return fmt.Sprintf("(%s) and on (tailnet) capom_tailnet_devices{tailnet=%q}", alert, tailnet)
	}
	configuration := map[string]any{"scrape_configs": []any{map[string]any{
		"job_name": "manager", "scrape_interval": "1s", "static_configs": []any{map[string]any{
			"targets": []string{serve(t, map[string]http.HandlerFunc{"/metrics": page})},
		}},
	}}}

	missing, present := evaluate(t, configuration, []scrape.Query{{Where: "the page", Expression: "capom_tailnet_devices"}},
		[]string{of("one of nine"), of("two of nine"), of("three of nine"), of("all of nine"), of("three of ninety")})

	g.Expect(missing).To(BeEmpty())
	g.Expect(present).To(Equal([]string{of("three of nine"), of("all of nine")}))
}
