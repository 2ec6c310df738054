// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/identity"
)

// output is a writer for a test to read while the server writes.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

func TestServedSimulatorTakesTheCredentialsItWrote(t *testing.T) {
	g := NewWithT(t)
	folder, out := t.TempDir(), &output{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, settings{listen: "127.0.0.1:0", tenancies: 2, domains: 3, pageSize: 5, credentials: folder}, out)
	}()
	g.Eventually(out.text, "30s").Should(ContainSubstring("Credentials of 2 tenancies"))
	url := regexp.MustCompile(`http://\S+`).FindString(out.text())

	raw, err := os.ReadFile(filepath.Join(folder, "tenancy-2", "tenancy.json"))
	g.Expect(err).NotTo(HaveOccurred())
	var described map[string]string
	g.Expect(json.Unmarshal(raw, &described)).To(Succeed())
	g.Expect(described["endpoint"]).To(Equal(url))
	provider, err := common.ConfigurationProviderFromFile(filepath.Join(folder, "tenancy-2", "config"), "")
	g.Expect(err).NotTo(HaveOccurred())
	client, err := identity.NewIdentityClientWithConfigurationProvider(provider)
	g.Expect(err).NotTo(HaveOccurred())
	client.Host = url
	domains, err := client.ListAvailabilityDomains(t.Context(), identity.ListAvailabilityDomainsRequest{CompartmentId: common.String(described["compartment"])})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(domains.Items).To(HaveLen(3))

	cancel()
	g.Eventually(ended, "10s").Should(Receive(BeNil()))
}

func TestHelpIsNoError(t *testing.T) {
	NewWithT(t).Expect(run([]string{"--help"}, &output{})).To(Succeed())
}
