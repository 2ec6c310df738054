// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// refusal is an answer of a service, as the SDK hands it on.
type refusal struct {
	status        int
	code, message string
}

func (r refusal) Error() string           { return r.message }
func (r refusal) GetHTTPStatusCode() int  { return r.status }
func (r refusal) GetMessage() string      { return r.message }
func (r refusal) GetCode() string         { return r.code }
func (r refusal) GetOpcRequestID() string { return "req-1" }

// badSigner is a principal with a failing token service.
type badSigner struct{ err error }

func (s badSigner) Sign(*http.Request) error { return s.err }

func TestErrorsWithoutAnAnswer(t *testing.T) {
	dns := &url.Error{Op: "Get", URL: "https://iaas.x/long", Err: &net.OpError{Op: "dial", Err: &net.DNSError{Name: "iaas.xx-nowhere-1.oraclecloud.com"}}}
	for _, tc := range []struct {
		name, message string
		err           error
		want          cloud.Kind
	}{
		{"a region that does not exist", "the host name iaas.xx-nowhere-1.oraclecloud.com cannot be resolved; the region may not exist", dns, cloud.Unavailable},
		{"a wrapped answer", "x", fmt.Errorf("calling: %w", refusal{409, "IncorrectState", "x"}), cloud.Conflict},
		{"a request that the SDK does not send", "value cannot be empty", errors.New("value cannot be empty"), cloud.InvalidRequest},
		{"a principal that the token service refuses", "no token to sign requests with: x", &signError{refusal{404, "NotAuthorizedOrNotFound", "x"}}, cloud.Unauthenticated},
		{"a token service that is down", "no token to sign requests with: x", &signError{refusal{503, "ServiceUnavailable", "x"}}, cloud.Unavailable},
		{"a principal without a token", "signing the request: no token", &signError{errors.New("no token")}, cloud.Unauthenticated},
		{"a panic in the SDK", "panicked while retrying operation", errors.New("panicked while retrying operation"), cloud.Unknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)

			err := mapError(context.Background(), operation{service: serviceCompute, name: "GetInstance"}, tc.err, nil)

			var e *cloud.Error
			g.Expect(errors.As(err, &e)).To(BeTrue())
			g.Expect(e.Kind).To(Equal(tc.want))
			g.Expect(e.Message).To(Equal(tc.message))
		})
	}
}

// 401 of a principal with a refreshable token is where the SDK retries without a retry policy.
func TestSignerIsHiddenFromTheSDK(t *testing.T) {
	g := NewWithT(t)
	base := common.BaseClient{}
	c := &Client{transport: newTransport()}
	base.Signer = badSigner{errors.New("no token")}
	g.Expect(c.configure(&base, "iaas", "")).To(Succeed())

	g.Expect(base.IsRefreshableAuthType()).To(BeFalse())
	var signing *signError
	g.Expect(errors.As(base.Signer.Sign(nil), &signing)).To(BeTrue())
}

func TestEndpoints(t *testing.T) {
	for _, tc := range []struct {
		name, endpoint, want string
	}{
		{"OCI's own stays", "", "before"},
		{"one for all services", "http://127.0.0.1:8080/", "http://127.0.0.1:8080"},
		{"placeholders", "https://{service}.{region}.example.com", "https://iaas.eu-frankfurt-1.example.com"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			base := common.BaseClient{Host: "before"}
			c := &Client{region: "eu-frankfurt-1", transport: newTransport()}

			g.Expect(c.configure(&base, "iaas", tc.endpoint)).To(Succeed())

			g.Expect(base.Host).To(Equal(tc.want))
		})
	}
}
