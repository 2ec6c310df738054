// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"crypto/rsa"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// Tenancy describes one simulated account before the simulator starts. Every
// zero field gets a sane default from Complete.
type Tenancy struct {
	// Name is the account's name, unique in the simulator.
	Name string
	// OCID is made up when empty.
	OCID string
	// Region is a name of Regions, us-ashburn-1 when empty.
	Region string
	// ADs is the number of availability domains: 1 (default) or 3.
	ADs int
	// FDs is the number of fault domains per availability domain, 3 by default.
	FDs int
	// Compartments below the root; one named "mesh" by default.
	Compartments []Compartment
	// Users may call the API of this tenancy.
	Users []*User
	// Capacity says how many instances the hosts can hold; hosts without a rule are unlimited.
	Capacity map[CapacityKey]int
	// Limits are the service limits by OCI's limit name, added to DefaultLimits.
	Limits map[string]int64
	// Quotas are limits by compartment OCID and limit name, set by the administrator.
	Quotas map[string]map[string]int64
	// Images replace DefaultImages when not empty.
	Images []ImageSpec
	// Shapes replace DefaultShapes when not empty.
	Shapes []Shape
	// Inhabited puts what other people have into the first compartment: custom images that are
	// newer than the platform's, an instance with its volumes, a volume, and their network.
	Inhabited bool
	// RequestRate is calls per second, unlimited when zero; RequestBurst is the bucket's size.
	RequestRate  float64
	RequestBurst int
}

// Compartment is a folder of resources with an OCID of its own.
type Compartment struct {
	Name string
	OCID string
}

// User signs requests.
type User struct {
	OCID string
	// Keys are the API keys by fingerprint.
	Keys map[string]*rsa.PublicKey
	// Compartments are the OCIDs the user may use; empty means the whole tenancy.
	Compartments []string
}

// may tells whether the user's permissions cover a compartment.
func (u *User) may(compartment string) bool {
	return len(u.Compartments) == 0 || slices.Contains(u.Compartments, compartment)
}

// Complete fills in the defaults and refuses tenancies it cannot simulate.
func (t *Tenancy) Complete() error {
	if t.Name == "" {
		return fmt.Errorf("a tenancy needs a name")
	}
	if t.Region == "" {
		t.Region = "us-ashburn-1"
	}
	if _, known := regionKey(t.Region); !known {
		return fmt.Errorf("tenancy %s: unknown region %q", t.Name, t.Region)
	}
	if t.ADs == 0 {
		t.ADs = 1
	}
	if t.ADs != 1 && t.ADs != 3 {
		return fmt.Errorf("tenancy %s: OCI's regions have 1 or 3 availability domains, not %d", t.Name, t.ADs)
	}
	if t.FDs == 0 {
		t.FDs = 3
	}
	if t.OCID == "" {
		t.OCID = NewOCID("tenancy", "")
	}
	if len(t.Compartments) == 0 {
		t.Compartments = []Compartment{{Name: "mesh"}}
	}
	for i := range t.Compartments {
		if t.Compartments[i].OCID == "" {
			t.Compartments[i].OCID = NewOCID("compartment", "")
		}
	}
	if len(t.Shapes) == 0 {
		t.Shapes = DefaultShapes()
	}
	if len(t.Images) == 0 {
		t.Images = DefaultImages()
	}
	return nil
}

// AvailabilityDomains returns the names, as "kIdk:US-ASHBURN-AD-1"; the prefix
// differs from tenancy to tenancy, as OCI's does.
func (t *Tenancy) AvailabilityDomains() []string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(t.OCID))
	letters := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	prefix := make([]byte, 4)
	for value, i := sum.Sum32(), 0; i < len(prefix); i++ {
		prefix[i] = letters[value%uint32(len(letters))]
		value /= uint32(len(letters))
	}
	base := strings.ToUpper(t.Region)
	if t.ADs == 3 {
		base = strings.TrimSuffix(base, "-1")
	}
	var names []string
	for i := 1; i <= t.ADs; i++ {
		names = append(names, fmt.Sprintf("%s:%s-AD-%d", prefix, base, i))
	}
	return names
}

// FaultDomains returns the names FAULT-DOMAIN-1 and so on, alike in every availability domain.
func (t *Tenancy) FaultDomains() []string {
	var names []string
	for i := 1; i <= t.FDs; i++ {
		names = append(names, fmt.Sprintf("FAULT-DOMAIN-%d", i))
	}
	return names
}
