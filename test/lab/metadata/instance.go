// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// Instance is a machine's metadata, in OCI's words (docs.oracle.com,
// Compute/Tasks/gettingmetadata.htm). Unset fields are left out.
type Instance struct {
	ID                  string                    `json:"id"`
	DisplayName         string                    `json:"displayName"`
	Hostname            string                    `json:"hostname"`
	CompartmentID       string                    `json:"compartmentId"`
	TenantID            string                    `json:"tenantId,omitempty"`
	Region              string                    `json:"region"`
	CanonicalRegionName string                    `json:"canonicalRegionName,omitempty"`
	RegionInfo          *RegionInfo               `json:"regionInfo,omitempty"`
	AvailabilityDomain  string                    `json:"availabilityDomain"`
	OCIADName           string                    `json:"ociAdName,omitempty"`
	FaultDomain         string                    `json:"faultDomain"`
	Image               string                    `json:"image,omitempty"`
	Shape               string                    `json:"shape"`
	ShapeConfig         *ShapeConfig              `json:"shapeConfig,omitempty"`
	State               string                    `json:"state"`
	TimeCreated         int64                     `json:"timeCreated,omitempty"` // milliseconds since 1970
	Metadata            map[string]string         `json:"metadata"`
	FreeformTags        map[string]string         `json:"freeformTags,omitempty"`
	DefinedTags         map[string]map[string]any `json:"definedTags,omitempty"`

	// VNICs is a document of its own, at /opc/v2/vnics/.
	VNICs []VNIC `json:"-"`
}

// RegionInfo describes the instance's region.
type RegionInfo struct {
	RealmKey             string `json:"realmKey"`
	RealmDomainComponent string `json:"realmDomainComponent"`
	RegionKey            string `json:"regionKey"`
	RegionIdentifier     string `json:"regionIdentifier"`
}

// ShapeConfig is a flexible shape's size.
type ShapeConfig struct {
	OCPUs                     float64 `json:"ocpus"`
	MemoryInGBs               float64 `json:"memoryInGBs"`
	NetworkingBandwidthInGbps float64 `json:"networkingBandwidthInGbps,omitempty"`
	MaxVNICAttachments        int     `json:"maxVnicAttachments,omitempty"`
}

// VNIC is one of the machine's interfaces. As at OCI, a public address is not in it.
type VNIC struct {
	VNICID          string `json:"vnicId"`
	PrivateIP       string `json:"privateIp"`
	VLANTag         int    `json:"vlanTag"`
	MACAddress      string `json:"macAddr"`
	VirtualRouterIP string `json:"virtualRouterIp"`
	SubnetCIDRBlock string `json:"subnetCidrBlock"`
}

// forwarded are headers of proxies; a request with one is rejected (the same
// page, "Upgrading to the Instance Metadata Service v2").
var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host"}

// ServeHTTP answers /opc/v2/instance/, /opc/v2/vnics/ and the paths below them. Version 1 is
// switched off, as "areLegacyImdsEndpointsDisabled" does; its paths are not found. Version 2
// requires its header; Oracle's page says only that requests without it are rejected, so the status
// 403 is an assumption.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, found := strings.CutPrefix(r.URL.Path, "/opc/v2/")
	source, err := netip.ParseAddrPort(r.RemoteAddr)
	s.mu.Lock()
	instance, known := s.instances[source.Addr().Unmap()]
	s.mu.Unlock()
	if err != nil || !known || !found {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet {
		http.Error(w, "the metadata service only reads", http.StatusMethodNotAllowed)
		return
	}
	if r.Header.Get("Authorization") != "Bearer Oracle" {
		http.Error(w, "missing or malformed Authorization header", http.StatusForbidden)
		return
	}
	for _, name := range forwarded {
		if r.Header.Get(name) != "" {
			http.Error(w, "forwarded requests are rejected", http.StatusForbidden)
			return
		}
	}
	answer(w, r, map[string]any{"instance": instance, "vnics": instance.VNICs}, strings.Trim(rest, "/"))
}

// answer walks down the documents by names of fields and places in lists; a
// string is answered in plain text.
func answer(w http.ResponseWriter, r *http.Request, documents map[string]any, path string) {
	text, err := json.Marshal(documents)
	var value any
	if err == nil {
		err = json.Unmarshal(text, &value)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for name := range strings.SplitSeq(path, "/") {
		if value = child(value, name); value == nil {
			http.NotFound(w, r)
			return
		}
	}
	if plain, ok := value.(string); ok {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, plain)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func child(value any, name string) any {
	switch parent := value.(type) {
	case map[string]any:
		return parent[name]
	case []any:
		if place, err := strconv.Atoi(name); err == nil && place >= 0 && place < len(parent) {
			return parent[place]
		}
	}
	return nil
}
