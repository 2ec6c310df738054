// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

func TestKindIsFoundThroughWrapping(t *testing.T) {
	g := NewWithT(t)
	err := fmt.Errorf("placing the machine: %w", &cloud.Error{Kind: cloud.OutOfCapacity, Code: "OutOfHostCapacity", RetryAfter: time.Second})

	g.Expect(cloud.KindOf(err)).To(Equal(cloud.OutOfCapacity))
	g.Expect(cloud.IsKind(err, cloud.LimitExceeded, cloud.OutOfCapacity)).To(BeTrue())
	g.Expect(cloud.IsKind(err, cloud.LimitExceeded)).To(BeFalse())
	g.Expect(cloud.RetryAfterOf(err)).To(Equal(time.Second))
	g.Expect(cloud.CodeOf(err)).To(Equal("OutOfHostCapacity"))
}

func TestKindOfOtherErrors(t *testing.T) {
	g := NewWithT(t)
	g.Expect(cloud.KindOf(nil)).To(BeEmpty())
	g.Expect(cloud.IsKind(nil, "")).To(BeFalse())
	g.Expect(cloud.KindOf(errors.New("boom"))).To(Equal(cloud.Unknown))
	g.Expect(cloud.RetryAfterOf(errors.New("boom"))).To(BeZero())
	g.Expect(cloud.CodeOf(errors.New("boom"))).To(BeEmpty())
	g.Expect(cloud.CodeOf(nil)).To(BeEmpty())
}

func TestErrorUnwrapsToItsCause(t *testing.T) {
	g := NewWithT(t)
	err := &cloud.Error{Kind: cloud.Unavailable, Err: context.DeadlineExceeded}
	g.Expect(errors.Is(err, context.DeadlineExceeded)).To(BeTrue())
}

func TestErrorText(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  cloud.Error
		want string
	}{
		{
			name: "an answer of the service",
			err: cloud.Error{
				Kind: cloud.LimitExceeded, Operation: "LaunchInstance", Status: 400, Code: "LimitExceeded",
				Message: "too many cores", RequestID: "ABC",
			},
			want: "LaunchInstance: 400 LimitExceeded: too many cores (request ID ABC)",
		},
		{
			name: "no answer",
			err:  cloud.Error{Kind: cloud.Unavailable, Operation: "GetVcn", Message: "no answer in time"},
			want: "GetVcn: Unavailable: no answer in time",
		},
		{
			name: "nothing sent",
			err:  cloud.Error{Kind: cloud.InvalidCredentials, Message: "the key in the Secret is not a PEM private key"},
			want: "InvalidCredentials: the key in the Secret is not a PEM private key",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			NewWithT(t).Expect(tc.err.Error()).To(Equal(tc.want))
		})
	}
}

func TestUserMessageSaysWhatToDo(t *testing.T) {
	kinds := []cloud.Kind{
		cloud.NotFoundOrUnauthorized, cloud.RelatedNotFoundOrUnauthorized, cloud.ExistsOrUnauthorized, cloud.Unauthenticated,
		cloud.Forbidden, cloud.InvalidCredentials, cloud.OutOfCapacity, cloud.LimitExceeded,
		cloud.QuotaExceeded, cloud.Throttled, cloud.Conflict, cloud.InvalidRequest, cloud.Unavailable,
	}
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			g := NewWithT(t)
			err := &cloud.Error{Kind: kind, Operation: "GetVcn", Message: "it failed.\nSecond line."}

			text := cloud.UserMessage(fmt.Errorf("wrapped: %w", err))

			g.Expect(text).To(HavePrefix("GetVcn: " + string(kind) + ": it failed. Second line: "))
			g.Expect(text).NotTo(ContainSubstring("\n"))
		})
	}
}

func TestAnyRefusalOfARetryTokenIsOne(t *testing.T) {
	for name, world := range map[string]struct {
		err  cloud.Error
		want bool
	}{
		"the documented code":     {cloud.Error{Kind: cloud.Conflict, Code: "InvalidatedRetryToken"}, true},
		"a conflict of the token": {cloud.Error{Kind: cloud.Conflict, Code: "Conflict", Message: "The retry token was used before"}, true},
		"a header that is wrong":  {cloud.Error{Kind: cloud.InvalidRequest, Code: "InvalidParameter", Message: "opc-retry-token: other payload"}, true},
		"another conflict":        {cloud.Error{Kind: cloud.Conflict, Code: "Conflict", Message: "busy"}, false},
		"an outage":               {cloud.Error{Kind: cloud.Unavailable, Message: "the retry token service is down"}, false},
	} {
		NewWithT(t).Expect(cloud.IsRetryTokenUsed(fmt.Errorf("launching: %w", &world.err))).To(Equal(world.want), name)
	}
}

func TestUserMessageOfOtherErrors(t *testing.T) {
	g := NewWithT(t)
	g.Expect(cloud.UserMessage(nil)).To(BeEmpty())
	g.Expect(cloud.UserMessage(fmt.Errorf("GetVcn: %w", context.Canceled))).To(ContainSubstring("cancelled"))
	g.Expect(cloud.UserMessage(errors.New("password: hunter2hunter2"))).To(Equal("password: [redacted]"))
	g.Expect(len(cloud.UserMessage(errors.New(strings.Repeat("a b ", 1000))))).To(BeNumerically("<=", 600))
}
