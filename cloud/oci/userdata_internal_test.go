// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/core"
)

func TestUserDataIsTakenOutOfInstancesAndNothingElse(t *testing.T) {
	long := strings.Repeat("QUJD", 1000)
	wide := strings.Repeat(`\ud83d\ude80`, 256)
	for name, world := range map[string]struct{ body, want string }{
		"none":                     {`[{"id":"i"}]`, `[{"id":"i"}]`},
		"one":                      {`[{"metadata":{"user_data":"` + long + `","a":"b"},"id":"i"}]`, `[{"metadata":{"user_data":"","a":"b"},"id":"i"}]`},
		"several":                  {`[{"user_data":"` + long + `"},{"user_data":"` + long + `"}]`, `[{"user_data":""},{"user_data":""}]`},
		"with spaces":              {"{\"user_data\" :\n \"" + long + "\" }", "{\"user_data\" :\n \"\" }"},
		"empty":                    {`{"user_data":""}`, `{"user_data":""}`},
		"with quotes":              {`{"user_data":"` + long + `\"b","c":"d"}`, `{"user_data":"","c":"d"}`},
		"with a backslash at last": {`{"user_data":"` + long + `\\","c":"d"}`, `{"user_data":"","c":"d"}`},
		"a tag of that name":       {`{"freeformTags":{"user_data":"x"}}`, `{"freeformTags":{"user_data":"x"}}`},
		"a tag as long as can be":  {`{"freeformTags":{"user_data":"` + wide + `"}}`, `{"freeformTags":{"user_data":"` + wide + `"}}`},
		"a tag beside user data": {
			`{"freeformTags":{"user_data":"x"},"metadata":{"user_data":"` + long + `"}}`, `{"freeformTags":{"user_data":"x"},"metadata":{"user_data":""}}`,
		},
		"no string":            {`{"user_data":null,"c":"d"}`, `{"user_data":null,"c":"d"}`},
		"a value of that name": {`{"a":"user_data","c":"` + long + `"}`, `{"a":"user_data","c":"` + long + `"}`},
		"a longer name":        {`{"my_user_data":"` + long + `"}`, `{"my_user_data":"` + long + `"}`},
		"within a text":        {`{"a":"{\"user_data\":\"` + long + `\"}"}`, `{"a":"{\"user_data\":\"` + long + `\"}"}`},
		"cut off within":       {`{"user_data":"` + long, `{"user_data":"` + long},
		"cut off before":       {`{"user_data"`, `{"user_data"`},
	} {
		NewWithT(t).Expect(string(dropUserData([]byte(world.body)))).To(Equal(world.want), name)
	}
}

// FuzzDropUserData has an answer say the same afterwards, but for user data. Bytes that are no JSON
// are the SDK's to complain of, or were in user data.
func FuzzDropUserData(f *testing.F) {
	for _, seed := range []string{
		`[{"metadata":{"user_data":"QUJD","a":"b"},"id":"i"}]`, `{"user_data":"a\\\"b","c":"\"user_data\":\"d\""}`,
		`["user_data","d"]`, `{"user_data":{"user_data":"d"}}`, `{"user_data" : "d`, `"user_data":"d"`,
	} {
		f.Add([]byte(seed))
		f.Add([]byte(strings.ReplaceAll(seed, "d\"", strings.Repeat("d", maxTagValue+1)+"\"")))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		g := NewWithT(t)
		var before, after any
		changed := dropUserData(bytes.Clone(body))
		if json.Unmarshal(body, &before) != nil {
			return
		}
		g.Expect(json.Unmarshal(changed, &after)).To(Succeed(), "%q", body)
		g.Expect(emptied(after)).To(Equal(emptied(before)), "%q", body)
	})
}

// emptied is a JSON value whose strings under the key user_data are empty if no tag's value is as
// long.
func emptied(value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = emptied(v[i])
		}
	case map[string]any:
		for key := range v {
			if text, is := v[key].(string); is && key == "user_data" && utf8.RuneCountInString(text) > 256 {
				v[key] = ""
			}
			v[key] = emptied(v[key])
		}
	}
	return value
}

func TestABodyThatEndsWithAnErrorStillDoes(t *testing.T) {
	g := NewWithT(t)
	lost := errors.New("lost the connection")
	response := answerOf(io.MultiReader(strings.NewReader(`[{"user_data":"`+strings.Repeat("QUJD", 1000)+`"},{"id"`), ended{lost}))

	withoutUserData(getOf(instancesPath), response)

	body, err := io.ReadAll(response.Body)
	g.Expect(string(body)).To(Equal(`[{"user_data":""},{"id"`))
	g.Expect(err).To(MatchError(lost))
}

func TestOtherAnswersAreLeftAlone(t *testing.T) {
	const body = `{"user_data":"QUJD"}`
	for _, path := range []string{"/20160918/instanceConfigurations/x", "/20160918/vcns"} {
		response := answerOf(strings.NewReader(body))
		withoutUserData(getOf(path), response)
		left, err := io.ReadAll(response.Body)
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(left)).To(Equal(body), path)
	}
}

func getOf(path string) *http.Request {
	return &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}}
}

func answerOf(body io.Reader) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body)}
}

// BenchmarkInstances is what a poll of 200 instances costs to decode.
func BenchmarkInstances(b *testing.B) {
	var items []string
	for i := range 200 {
		items = append(items, fmt.Sprintf(`{"id":"ocid1.instance.oc1..%d","compartmentId":"c","displayName":"worker-%d","lifecycleState":"RUNNING",`+
			`"shape":"VM.Standard.A1.Flex","shapeConfig":{"ocpus":1,"memoryInGBs":6},"freeformTags":{"a":"b","c":"d"},`+
			`"metadata":{"user_data":%q},"timeCreated":"2026-01-01T00:00:00Z"}`, i, i, strings.Repeat("QUJD", 3000)))
	}
	body := "[" + strings.Join(items, ",") + "]"
	for name, change := range map[string]func([]byte) []byte{
		"as it comes": func(body []byte) []byte { return body }, "without user data": dropUserData,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var instances []core.Instance
				if err := json.Unmarshal(change([]byte(body)), &instances); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
