// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// CapacityKey names hosts: an empty field stands for any.
type CapacityKey struct {
	AvailabilityDomain string
	FaultDomain        string
	Shape              string
}

func (k CapacityKey) covers(ad, fd, shape string) bool {
	return (k.AvailabilityDomain == "" || k.AvailabilityDomain == ad) &&
		(k.FaultDomain == "" || k.FaultDomain == fd) && (k.Shape == "" || k.Shape == shape)
}

// DefaultLimits returns the service limits of a new tenancy, by OCI's limit name.
func DefaultLimits() map[string]int64 {
	return map[string]int64{
		"standard-a1-core-count": 100, "standard-a1-memory-count": 1000,
		"standard-a2-core-count": 100, "standard-a2-memory-count": 1000,
		"standard-e4-core-count": 100, "standard-e4-memory-count": 1000,
		"standard-e5-core-count": 100, "standard-e5-memory-count": 1000,
		"standard3-core-count": 100, "standard3-memory-count": 1000,
		"standard-e2-micro-core-count": 2,
		"vcn-count":                    50,
		"volume-count":                 1000,
		"total-storage-gb":             100000,
		"network-load-balancer-count":  50,
	}
}

func limitService(name string) string {
	switch {
	case name == "vcn-count":
		return "vcn"
	case name == "volume-count" || name == "total-storage-gb":
		return "block-storage"
	case strings.HasPrefix(name, "network-load-balancer"):
		return "network-load-balancer-api"
	}
	return "compute"
}

// perDomain tells whether a limit, and a quota of its name, counts in each availability domain for
// itself. Source: OCI documentation, "Quota Policy Syntax", "Scope": "setting a quota of 120 OCPUs
// on a compartment actually sets a limit of 120 OCPUs per AD".
func perDomain(name string) bool {
	service := limitService(name)
	return service == "compute" || service == "block-storage"
}

// usage counts existing resources against a limit; empty ad or compartment mean all.
func (s *State) usage(limit, ad, compartment string) int64 {
	in := func(meta *Meta, domain string) bool {
		return (ad == "" || domain == ad) && (compartment == "" || meta.CompartmentID == compartment)
	}
	var used float64
	switch limit {
	case "vcn-count":
		used = float64(len(alive(s, func(v *Vcn) bool { return in(&v.Meta, ad) })))
	case "network-load-balancer-count":
		used = float64(len(alive(s, func(n *NetworkLoadBalancer) bool { return in(&n.Meta, ad) })))
	case "volume-count", "total-storage-gb":
		for _, volume := range s.allVolumes(in) {
			if limit == "volume-count" {
				used++
			} else {
				used += float64(volume)
			}
		}
	default:
		for _, instance := range alive(s, func(i *Instance) bool { return in(&i.Meta, i.AvailabilityDomain) }) {
			shape, _ := s.shape(instance.Shape)
			if shape.CoreLimit == limit {
				used += instance.ShapeConfig.Ocpus
			}
			if shape.MemoryLimit == limit {
				used += instance.ShapeConfig.MemoryInGBs
			}
		}
	}
	return int64(used + 0.999)
}

func (s *State) allVolumes(in func(*Meta, string) bool) []int64 {
	var sizes []int64
	for _, volume := range alive(s, func(v *Volume) bool { return in(&v.Meta, v.AvailabilityDomain) }) {
		sizes = append(sizes, volume.SizeInGBs)
	}
	for _, volume := range alive(s, func(v *BootVolume) bool { return in(&v.Meta, v.AvailabilityDomain) }) {
		sizes = append(sizes, volume.SizeInGBs)
	}
	return sizes
}

// demand is a create call's demand on each limit.
type demand map[string]int64

// checkLimits refuses a demand beyond the tenancy's service limits
// (LimitExceeded, wording: hitrov/oci-arm-host-capacity issue 55) or beyond the
// compartment's quota (QuotaExceeded).
func (s *State) checkLimits(compartment, ad string, wanted demand) error {
	var limits, quotas []string
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		domain := ""
		if perDomain(name) {
			domain = ad
		}
		if limit, ok := s.limits[name]; ok && s.usage(name, domain, "")+wanted[name] > limit {
			limits = append(limits, name)
		}
		if quota, ok := s.quotas[compartment][name]; ok && s.usage(name, domain, compartment)+wanted[name] > quota {
			quotas = append(quotas, name)
		}
	}
	if len(limits) > 0 {
		return &Error{Status: http.StatusBadRequest, Code: "LimitExceeded", Message: fmt.Sprintf(
			"The following service limits were exceeded: %s. Request a service limit increase from the service limits page in the console. ",
			strings.Join(limits, ", "))}
	}
	if len(quotas) > 0 {
		return &Error{Status: http.StatusBadRequest, Code: "QuotaExceeded", Message: fmt.Sprintf(
			"The following compartment quotas were exceeded: %s. Contact the administrator of the tenancy to raise them.",
			strings.Join(quotas, ", "))}
	}
	return nil
}

// pickFaultDomain finds hosts with room: in the wanted fault domain, or in the
// emptiest one when none is wanted.
func (s *State) pickFaultDomain(ad, wanted, shape string) (string, error) {
	domains := s.config.FaultDomains()
	if wanted != "" {
		domains = []string{wanted}
	}
	best, fewest := "", -1
	for _, fd := range domains {
		count := s.hosted(CapacityKey{AvailabilityDomain: ad, FaultDomain: fd})
		if s.hasRoom(ad, fd, shape) && (fewest < 0 || count < fewest) {
			best, fewest = fd, count
		}
	}
	if best == "" {
		return "", ErrOutOfCapacity()
	}
	return best, nil
}

func (s *State) hosted(key CapacityKey) int {
	return len(alive(s, func(i *Instance) bool { return key.covers(i.AvailabilityDomain, i.FaultDomain, i.Shape) }))
}

func (s *State) hasRoom(ad, fd, shape string) bool {
	for key, room := range s.capacity {
		if key.covers(ad, fd, shape) && s.hosted(key) >= room {
			return false
		}
	}
	return true
}

// SetCapacity says how many instances the hosts named by key can hold in all,
// those already there included. A negative number removes the rule.
func (s *State) SetCapacity(key CapacityKey, instances int) {
	s.Do(func() {
		if instances < 0 {
			delete(s.capacity, key)
			return
		}
		s.capacity[key] = instances
	})
}

// SetLimit changes a service limit of the tenancy.
func (s *State) SetLimit(name string, value int64) {
	s.Do(func() { s.limits[name] = value })
}

// SetQuota changes a compartment quota.
func (s *State) SetQuota(compartment, name string, value int64) {
	s.Do(func() {
		quotas := maps.Clone(s.quotas[compartment])
		if quotas == nil {
			quotas = map[string]int64{}
		}
		quotas[name] = value
		s.quotas[compartment] = quotas
	})
}
