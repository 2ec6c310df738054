// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "strings"

// Region is one of Oracle's regions: its identifier and its three-letter key.
type Region struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

// Regions returns some of Oracle's commercial regions (docs.oracle.com,
// General/Concepts/regions.htm).
func Regions() []Region {
	return []Region{
		{"ap-melbourne-1", "MEL"}, {"ap-mumbai-1", "BOM"}, {"ap-osaka-1", "KIX"},
		{"ap-seoul-1", "ICN"}, {"ap-singapore-1", "SIN"}, {"ap-sydney-1", "SYD"},
		{"ap-tokyo-1", "NRT"}, {"ca-toronto-1", "YYZ"}, {"eu-amsterdam-1", "AMS"},
		{"eu-frankfurt-1", "FRA"}, {"eu-marseille-1", "MRS"}, {"eu-milan-1", "LIN"},
		{"eu-paris-1", "CDG"}, {"eu-stockholm-1", "ARN"}, {"eu-zurich-1", "ZRH"},
		{"sa-saopaulo-1", "GRU"}, {"uk-london-1", "LHR"}, {"us-ashburn-1", "IAD"},
		{"us-chicago-1", "ORD"}, {"us-phoenix-1", "PHX"}, {"us-sanjose-1", "SJC"},
	}
}

// shortRegion is a region as instances name it: iad for us-ashburn-1.
func shortRegion(name string) string {
	if key, known := regionKey(name); known {
		return strings.ToLower(key)
	}
	return name
}

func regionKey(name string) (string, bool) {
	for _, region := range Regions() {
		if region.Name == name {
			return region.Key, true
		}
	}
	return "", false
}
