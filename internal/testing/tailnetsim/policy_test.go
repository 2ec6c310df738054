// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim_test

import (
	"io"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestThePolicyIsShownInTheFormThatIsAskedFor(t *testing.T) {
	const text = "{ // by hand\n\"grants\": [],\n}"
	for name, test := range map[string]struct {
		mode                 tailnetsim.Mode
		policy, accept, want string
	}{
		"HuJSON of Tailscale":       {tailnetsim.Tailscale, text, "application/hujson", text},
		"JSON of Tailscale":         {tailnetsim.Tailscale, text, "application/json", "{           \n\"grants\": [] \n}"},
		"HuJSON of Headscale":       {tailnetsim.Headscale, text, "application/hujson", text},
		"JSON, so called":           {tailnetsim.Headscale, text, "application/json", text},
		"none of Headscale's":       {tailnetsim.Headscale, "none", "application/hujson", "Headscale default policy. Allows all communication."},
		"what the server acts by":   {tailnetsim.Tailscale, "", "application/hujson", nodeTag},
		"what the server acts by 2": {tailnetsim.Headscale, "", "application/hujson", nodeTag},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, tailnetsim.Options{Mode: test.mode})
			w.SetPolicyText(test.policy)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL()+"/api/v2/tailnet/-/acl", nil)
			g.Expect(err).NotTo(HaveOccurred())
			request.SetBasicAuth(w.AddAPIKey(), "")
			request.Header.Set("Accept", test.accept)
			response, err := http.DefaultClient.Do(request)
			g.Expect(err).NotTo(HaveOccurred())
			defer func() { _ = response.Body.Close() }()
			body, err := io.ReadAll(response.Body)
			g.Expect(err).NotTo(HaveOccurred())

			g.Expect(response.Header.Get("Content-Type")).To(Equal(test.accept))
			g.Expect(response.Header.Get("Etag")).To(MatchRegexp(`^"[0-9a-f]{64}"$`))
			g.Expect(string(body)).To(ContainSubstring(test.want))
		})
	}
}
