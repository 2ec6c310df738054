// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// recorded is a call of a real Headscale and what it answered, a line of a file in testdata.
type recorded struct {
	Name string `json:"name"`
	// Machine joins before with the first key, and announces the routes.
	Machine *struct {
		Hostname string   `json:"hostname"`
		Routes   []string `json:"routes"`
	} `json:"machine"`
	Request struct {
		Method, Path, Body string
		// Key is "none", "unknown", or empty for a good one.
		Key string
	} `json:"request"`
	Answer struct {
		Status     int
		Type, Body string
	} `json:"answer"`
}

func recordings(t *testing.T, file string) []recorded {
	t.Helper()
	g := NewWithT(t)
	text, err := os.ReadFile(filepath.Join("testdata", file))
	g.Expect(err).NotTo(HaveOccurred())
	var out []recorded
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var r recorded
		g.Expect(json.Unmarshal(lines.Bytes(), &r)).To(Succeed())
		out = append(out, r)
	}
	return out
}

// normal replaces what differs from server to server. Expirations are the caller's and stay.
func normal(body string) string {
	for pattern, replacement := range map[string]string{
		`"(createdAt|lastSeen)":"[0-9]{4}-[0-9-]{5}T[0-9:.]+Z"`: `"$1":"TIME"`,
		`(mkey|nodekey|discokey):[0-9a-f]{64}`:                  `$1:KEY`,
		`hskey-auth-[A-Za-z0-9_-]{76,77}`:                       `KEY`,
		`hskey-auth-[A-Za-z0-9_]{12}-\*`:                        `KEY*`,
	} {
		body = regexp.MustCompile(pattern).ReplaceAllString(body, replacement)
	}
	return strings.TrimSpace(body)
}

func TestHeadscalesAnswerWordForWordAsRecorded(t *testing.T) {
	for mode, file := range map[tailnetsim.Mode]string{
		tailnetsim.Headscale029: "headscale-0.29.2.jsonl",
		tailnetsim.Headscale028: "headscale-0.28.0.jsonl",
	} {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			calls := recordings(t, file)
			w := newWorld(t, tailnetsim.Options{Mode: mode, Version: "dev", Users: []string{"fleet"}, Policy: policyOf(t, calls)})
			w.now = time.Date(2026, 11, 28, 15, 49, 26, 171_947_414, time.UTC)
			for _, call := range calls {
				if call.Machine != nil {
					device, err := w.Register(w.firstKey, call.Machine.Hostname)
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(w.Advertise(device.ID, prefixes(call.Machine.Routes...)...)).To(Succeed())
				}

				status, contentType, body := w.repeat(call)

				g.Expect(status).To(Equal(call.Answer.Status), "%s: %s", call.Name, body)
				g.Expect(contentType).To(Equal(call.Answer.Type), call.Name)
				g.Expect(normal(body)).To(Equal(normal(call.Answer.Body)), call.Name)
			}
		})
	}
}

// repeat makes the recorded call again. It keeps the secret of the first key that is made.
func (w *world) repeat(call recorded) (status int, contentType, body string) {
	w.t.Helper()
	g := NewWithT(w.t)
	req, err := http.NewRequestWithContext(w.t.Context(), call.Request.Method, w.URL()+call.Request.Path, strings.NewReader(call.Request.Body))
	g.Expect(err).NotTo(HaveOccurred())
	switch call.Request.Key {
	case "":
		req.Header.Set("Authorization", "Bearer "+apiKey)
	case "unknown":
		req.Header.Set("Authorization", "Bearer unknown")
	}
	res, err := http.DefaultClient.Do(req)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	g.Expect(err).NotTo(HaveOccurred())
	var made struct{ PreAuthKey struct{ Key string } }
	if w.firstKey == "" && json.Unmarshal(text, &made) == nil {
		w.firstKey = made.PreAuthKey.Key
	}
	return res.StatusCode, res.Header.Get("Content-Type"), string(text)
}

// policyOf is the policy of the recorded server.
func policyOf(t *testing.T, calls []recorded) string {
	t.Helper()
	for _, call := range calls {
		var answer struct{ Policy string }
		if call.Name == "policy" && json.Unmarshal([]byte(call.Answer.Body), &answer) == nil {
			return answer.Policy
		}
	}
	t.Fatal("no policy in the recording")
	return ""
}
