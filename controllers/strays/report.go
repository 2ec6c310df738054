// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package strays

import (
	"math"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// Finding is what there is to say about an account or a tailnet.
type Finding struct {
	// Count is how many strays there are, Suspects how many may become some.
	Count, Suspects int
	// Found tells of the strays and of what to do, Suspected of the suspects.
	Found, Suspected string
}

// Condition is StraysAbsent: Unknown while there are suspects only.
func (f Finding) Condition() metav1.Condition {
	switch {
	case f.Count > 0:
		return report.NotOK(infrav1.StraysAbsentCondition, infrav1.StraysFoundReason, f.Found)
	case f.Suspects > 0:
		return report.Unknown(infrav1.StraysAbsentCondition, infrav1.WaitingReason, f.Suspected)
	}
	return report.OK(infrav1.StraysAbsentCondition)
}

// NotLookedAt is the condition before the first look.
func NotLookedAt() metav1.Condition {
	return report.Unknown(infrav1.StraysAbsentCondition, infrav1.WaitingReason, "Not checked yet")
}

// straysGone is the reason of the event that there are no strays any more.
const straysGone = "StraysGone"

// Announce emits an event if there are more strays than before, or none any more. A nil recorder is
// silent.
func Announce(recorder events.EventRecorder, object runtime.Object, before, after int, message string) {
	switch {
	case recorder == nil || before == after:
	case after > before:
		recorder.Eventf(object, nil, corev1.EventTypeWarning, infrav1.StraysFoundReason, "Look", "%s", message)
	case after == 0:
		recorder.Eventf(object, nil, corev1.EventTypeNormal, straysGone, "Look", "Nothing with this provider's tags is without an object any more")
	}
}

// Count is a number as a status has it.
func Count(n int) *int32 { return ptr.To(int32(min(n, math.MaxInt32))) }

// Text makes a line of at most limit bytes out of what others have named: users of OCI and nodes
// choose names.
func Text(name string, limit int) string {
	printable := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	return report.Truncate(strings.TrimSpace(printable), limit)
}

// IsID tells whether an identifier may stand in a status and in a command: letters, digits and what
// OCIDs have.
func IsID(id string, limit int) bool {
	return id != "" && len(id) <= limit && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("._-", r)
	})
}
