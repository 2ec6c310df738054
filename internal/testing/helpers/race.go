// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"regexp"
	"testing"
)

// crashTests are the names of the tests that make test-lives runs.
var crashTests = regexp.MustCompile("^(TestAProcessKilled|TestAnAnswerLost)")

// WithoutRaceDetector skips what the race detector would see nothing new in: the same life over and
// over, with a crash at another place. With it they take several times as long. Tests of one life
// run with it.
func WithoutRaceDetector(t *testing.T) {
	t.Helper()
	if !crashTests.MatchString(t.Name()) {
		t.Fatalf("nothing would run this test: name it by %s", crashTests)
	}
	if raceDetector {
		t.Skip("make test-lives runs it, without the race detector")
	}
}
