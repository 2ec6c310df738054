// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
)

const machineAddress = "10.0.0.7"

func serviceOfOne() *Service {
	s := &Service{instances: map[netip.Addr]Instance{}}
	s.Set(netip.MustParseAddr(machineAddress), Instance{
		ID: "ocid1.instance.oc1..one", DisplayName: "one", Hostname: "one", CompartmentID: "ocid1.compartment.oc1..c",
		Region: "eu-frankfurt-1", CanonicalRegionName: "eu-frankfurt-1", AvailabilityDomain: "Uocm:EU-FRANKFURT-1-AD-1",
		FaultDomain: "FAULT-DOMAIN-2", Shape: "VM.Standard.A1.Flex", ShapeConfig: &ShapeConfig{OCPUs: 2, MemoryInGBs: 12},
		State: "Running", TimeCreated: 1600381928581, Metadata: map[string]string{"user_data": "I2Nsb3VkLWNvbmZpZwo=", "empty": ""},
		VNICs: []VNIC{{VNICID: "ocid1.vnic.oc1..v", PrivateIP: machineAddress, MACAddress: "02:00:17:15:92:4E", VirtualRouterIP: "10.0.0.1", SubnetCIDRBlock: "10.0.0.0/24"}},
	})
	return s
}

func ask(s http.Handler, source, method, path string, header http.Header) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, "http://169.254.169.254"+path, nil)
	request.RemoteAddr = source + ":40000"
	request.Header = header
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, request)
	return recorder
}

func TestServiceAnswersDocumentsAndKeys(t *testing.T) {
	for path, expected := range map[string]string{
		"/opc/v2/instance/id":                 "ocid1.instance.oc1..one",
		"/opc/v2/instance/id/":                "ocid1.instance.oc1..one",
		"/opc/v2/instance/faultDomain":        "FAULT-DOMAIN-2",
		"/opc/v2/instance/metadata/user_data": "I2Nsb3VkLWNvbmZpZwo=",
		"/opc/v2/instance/metadata/empty":     "",
		"/opc/v2/instance/shapeConfig/ocpus":  "2\n",
		"/opc/v2/instance/metadata/":          `{"empty":"","user_data":"I2Nsb3VkLWNvbmZpZwo="}` + "\n",
		"/opc/v2/vnics/0/privateIp":           machineAddress,
		"/opc/v2/vnics/": `[{"macAddr":"02:00:17:15:92:4E","privateIp":"10.0.0.7","subnetCidrBlock":"10.0.0.0/24",` +
			`"virtualRouterIp":"10.0.0.1","vlanTag":0,"vnicId":"ocid1.vnic.oc1..v"}]` + "\n",
		"/opc/v2/instance/": `{"availabilityDomain":"Uocm:EU-FRANKFURT-1-AD-1","canonicalRegionName":"eu-frankfurt-1",` +
			`"compartmentId":"ocid1.compartment.oc1..c","displayName":"one","faultDomain":"FAULT-DOMAIN-2","hostname":"one",` +
			`"id":"ocid1.instance.oc1..one","metadata":{"empty":"","user_data":"I2Nsb3VkLWNvbmZpZwo="},"region":"eu-frankfurt-1",` +
			`"shape":"VM.Standard.A1.Flex","shapeConfig":{"memoryInGBs":12,"ocpus":2},"state":"Running","timeCreated":1600381928581}` + "\n",
	} {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)

			answer := ask(serviceOfOne(), machineAddress, http.MethodGet, path, http.Header{"Authorization": {"Bearer Oracle"}})

			g.Expect(answer.Code).To(Equal(http.StatusOK))
			g.Expect(answer.Body.String()).To(Equal(expected))
		})
	}
}

func TestServiceRefuses(t *testing.T) {
	token := []string{"Bearer Oracle"}
	for name, c := range map[string]struct {
		source, method, path string
		header               http.Header
		status               int
	}{
		"no header":            {machineAddress, http.MethodGet, "/opc/v2/instance/", nil, http.StatusForbidden},
		"another header":       {machineAddress, http.MethodGet, "/opc/v2/instance/", http.Header{"Authorization": {"Bearer x"}}, http.StatusForbidden},
		"a proxy":              {machineAddress, http.MethodGet, "/opc/v2/instance/", http.Header{"Authorization": token, "X-Forwarded-For": {"10.0.0.9"}}, http.StatusForbidden},
		"an unknown source":    {"10.0.0.8", http.MethodGet, "/opc/v2/instance/", http.Header{"Authorization": token}, http.StatusNotFound},
		"version 1":            {machineAddress, http.MethodGet, "/opc/v1/instance/", http.Header{"Authorization": token}, http.StatusNotFound},
		"OpenStack's paths":    {machineAddress, http.MethodGet, "/openstack/latest/meta_data.json", nil, http.StatusNotFound},
		"an unknown key":       {machineAddress, http.MethodGet, "/opc/v2/instance/metadata/none", http.Header{"Authorization": token}, http.StatusNotFound},
		"what only begins so":  {machineAddress, http.MethodGet, "/opc/v2/instanceid", http.Header{"Authorization": token}, http.StatusNotFound},
		"a place out of range": {machineAddress, http.MethodGet, "/opc/v2/vnics/1", http.Header{"Authorization": token}, http.StatusNotFound},
		"writing":              {machineAddress, http.MethodPut, "/opc/v2/instance/", http.Header{"Authorization": token}, http.StatusMethodNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)

			answer := ask(serviceOfOne(), c.source, c.method, c.path, c.header)

			g.Expect(answer.Code).To(Equal(c.status))
			g.Expect(answer.Body.String()).NotTo(ContainSubstring("ocid1"))
		})
	}
}

func TestServiceForgetsAMachine(t *testing.T) {
	g := NewWithT(t)
	s := serviceOfOne()

	s.Delete(netip.MustParseAddr(machineAddress))

	answer := ask(s, machineAddress, http.MethodGet, "/opc/v2/instance/id", http.Header{"Authorization": {"Bearer Oracle"}})
	g.Expect(answer.Code).To(Equal(http.StatusNotFound))
}
