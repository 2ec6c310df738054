// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestAProgramThatEndsIsReportedWithItsLog(t *testing.T) {
	g := NewWithT(t)
	p, err := Start(t.TempDir(), "broken", nil, "false")
	g.Expect(err).NotTo(HaveOccurred())

	err = p.WaitReady(t.Context(), "127.0.0.1:1")

	g.Expect(err).To(MatchError(ContainSubstring("broken ended: exit status 1")))
	g.Expect(err).To(MatchError(ContainSubstring("broken.log")))
}
