// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package capacity

import (
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// refusals are the kinds of answers by which an account refuses a launch: it will do so again until
// somebody changes something. A Conflict passes.
var refusals = map[cloud.Kind]bool{
	cloud.InvalidRequest: true, cloud.NotFoundOrUnauthorized: true, cloud.RelatedNotFoundOrUnauthorized: true,
	cloud.ExistsOrUnauthorized: true, cloud.Unauthenticated: true, cloud.Forbidden: true,
}

// IsRefusal tells whether the error means that an account refuses a launch, for another reason than
// a lack of room.
func IsRefusal(err error) bool { return refusals[cloud.KindOf(err)] }

// RecordRefusal is Record for a launch refused with the error. Credentials and permissions to do
// anything count in the whole account. All else may be about the shape in the availability domain:
// other candidates of the account are tried, too, since nothing but OCI's words tells them apart.
func RecordRefusal(known []infrav1.Shortage, place Place, err error, now time.Time, policy Policy) []infrav1.Shortage {
	kind := cloud.KindOf(err)
	refusal := infrav1.Shortage{
		Account: place.Account, AvailabilityDomain: place.AvailabilityDomain, Shape: place.Shape,
		Reason: string(kind), Message: cloud.Words(err), Count: 1,
	}
	if kind == cloud.Unauthenticated || kind == cloud.Forbidden {
		refusal.AvailabilityDomain, refusal.Shape = "", ""
	}
	return recordOne(known, refusal, now, policy)
}

// Refusals are those of the shortages by which an account refused a launch.
func Refusals(known []infrav1.Shortage) []infrav1.Shortage {
	var out []infrav1.Shortage
	for _, shortage := range known {
		if shortage.Message != "" {
			out = append(out, shortage)
		}
	}
	return out
}
