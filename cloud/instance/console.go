// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"regexp"
	"strings"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

const (
	// nodeWords begins what the node's scripts say on the console: see log in
	// cloud/cloudinit/node/lib/lib.sh.
	nodeWords = "capom: "
	// lastLines and maxWords bound what is taken of it.
	lastLines, maxWords = 5, 600
)

var (
	// escapes are the sequences of terminals, in colours and the like.
	escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)
	// joinToken is kubeadm's bootstrap token (Kubernetes documentation, "Authenticating with
	// Bootstrap Tokens", token format).
	joinToken = regexp.MustCompile(`\b[a-z0-9]{6}\.[a-z0-9]{16}\b`)
	// path is a file's or a URL's. Base64 has slashes too, but hardly 32 characters without a
	// capital.
	path = regexp.MustCompile(`^[a-z0-9_/-]+$`)
	// longWord is one that may be a key or encoded data: the scripts say none but digests.
	longWord = regexp.MustCompile(`[A-Za-z0-9+/=_-]{32,}`)
)

// LastWords are the last lines of a console that the node's scripts wrote, newest last; empty if
// there is none. The scripts repeat what programs say, so what may be secret is taken out, whoever
// said it.
func LastWords(console string, secrets ...string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.ReplaceAll(console, "\r", "\n"), "\n") {
		said, ours := strings.CutPrefix(strings.TrimSpace(escapes.ReplaceAllString(line, "")), nodeWords)
		if ours && strings.TrimSpace(said) != "" {
			lines = append(lines, said)
		}
	}
	words := ""
	for i := len(lines) - 1; i >= max(0, len(lines)-lastLines); i-- {
		line := scrubLine(lines[i], secrets)
		if words != "" && len(line)+len(words)+len(" | ") > maxWords {
			break
		}
		if words != "" {
			line += " | "
		}
		words = line + words
	}
	return words
}

func scrubLine(line string, secrets []string) string {
	line = joinToken.ReplaceAllString(line, "[redacted]")
	// Before the scrubber: what it cuts short could be a part of a long word.
	line = longWord.ReplaceAllStringFunc(line, func(word string) string {
		if strings.Count(word, "/") > 2 && path.MatchString(word) {
			return word
		}
		return "[redacted]"
	})
	return cloud.Scrub(line, secrets...)
}
