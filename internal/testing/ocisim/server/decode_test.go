// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// tags are some, as the inside of a JSON object.
func tags(count int, key, value string) string {
	var all []string
	for i := range count {
		all = append(all, fmt.Sprintf("%q:%q", fmt.Sprint(key, i), value))
	}
	return strings.Join(all, ",")
}

func TestDecodeRefusesWhatOCIRefuses(t *testing.T) {
	launch := func(rest string) string {
		return `{"compartmentId":"c","availabilityDomain":"a"` + rest + `}`
	}
	for name, world := range map[string]struct{ body, code string }{
		"good":                   {launch(`,"sourceDetails":{"sourceType":"image","imageId":"i"}`), ""},
		"unknown enum value":     {launch(`,"sourceDetails":{"sourceType":"picture"}`), "InvalidParameter"},
		"nested field missing":   {launch(`,"preemptibleInstanceConfig":{}`), "MissingParameter"},
		"nested field unknown":   {launch(`,"shapeConfig":{"cpus":1}`), "CannotParseRequest"},
		"empty required string":  {`{"compartmentId":"","availabilityDomain":"a"}`, "MissingParameter"},
		"text for a number":      {launch(`,"shapeConfig":{"ocpus":"1"}`), "CannotParseRequest"},
		"fraction for a whole":   {launch(`,"shapeConfig":{"vcpus":1.5}`), "CannotParseRequest"},
		"bad element of a list":  {launch(`,"launchVolumeAttachments":[{"type":"usb"}]`), "InvalidParameter"},
		"number for an enum":     {launch(`,"sourceDetails":{"sourceType":1}`), "CannotParseRequest"},
		"ten tags":               {launch(`,"freeformTags":{` + tags(10, "k", "v") + `}`), ""},
		"eleven tags":            {launch(`,"freeformTags":{` + tags(11, "k", "v") + `}`), "InvalidParameter"},
		"nested, eleven tags":    {launch(`,"createVnicDetails":{"freeformTags":{` + tags(11, "k", "v") + `}}`), "InvalidParameter"},
		"a long key of a tag":    {launch(`,"freeformTags":{` + tags(1, strings.Repeat("k", 100), "v") + `}`), "InvalidParameter"},
		"a long value of a tag":  {launch(`,"freeformTags":{` + tags(1, "k", strings.Repeat("v", 257)) + `}`), "InvalidParameter"},
		"null where required is": {`{"compartmentId":null,"availabilityDomain":"a"}`, "MissingParameter"},
	} {
		t.Run(name, func(t *testing.T) {
			var details model.LaunchDetails
			err := decode([]byte(world.body), &details)
			g := NewWithT(t)
			if world.code == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			var refused *model.Error
			g.Expect(errors.As(err, &refused)).To(BeTrue())
			g.Expect(refused.Code).To(Equal(world.code))
		})
	}
}

func FuzzDecodeNeverPanics(f *testing.F) {
	f.Add([]byte(`{"compartmentId":"c","sourceDetails":{"sourceType":"image"},"metadata":{"a":"b"}}`))
	f.Add([]byte(`{"sourceDetails":[],"shapeConfig":null}`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		var details model.LaunchDetails
		_ = decode(body, &details)
	})
}
