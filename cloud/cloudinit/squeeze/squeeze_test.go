// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package squeeze

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// noise are bytes without any order, of so many different ones.
func noise(n, different int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(random.IntN(different))
	}
	return out
}

func text(t testing.TB) []byte {
	t.Helper()
	var out []byte
	for _, name := range []string{"squeeze.go", "matches.go", "blocks.go"} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, content...)
	}
	return out
}

// kinds of data, each with something that a format of lengths and distances may get wrong.
func kinds(t testing.TB) map[string][]byte {
	t.Helper()
	far := noise(window, 256)
	return map[string][]byte{
		"nothing":                      {},
		"one byte":                     {7},
		"two":                          []byte("ab"),
		"one byte all over":            bytes.Repeat([]byte{0}, 10_000),
		"all bytes":                    noise(4096, 256),
		"two bytes":                    noise(6_000, 2),
		"text":                         text(t),
		"text, keys, text":             append(append(text(t), noise(9000, 64)...), text(t)...),
		"again at the window's end":    append(bytes.Clone(far), far[:300]...),
		"again beyond it":              append(append(bytes.Clone(far), 'x'), far[:300]...),
		"every length, and one beyond": lengthsOf(longest + 1),
		"counts as Fibonacci has them": fibonacci(),
	}
}

func lengthsOf(most int) (out []byte) {
	from := noise(most, 256)
	for n := shortest; n <= most; n++ {
		out = append(append(out, from[:n]...), byte(n), byte(n>>8))
	}
	return out
}

// fibonacci makes Huffman's tree as deep as can be, and codes longer than the format has.
func fibonacci() (out []byte) {
	a, b := 1, 1
	for symbol := range byte(20) {
		out = append(out, bytes.Repeat([]byte{symbol}, a)...)
		a, b = b, a+b
	}
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func TestWhatIsCompressedIsReadBackAsItWas(t *testing.T) {
	gunzip, err := exec.LookPath("gunzip")
	for name, data := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)

			compressed, err2 := Gzip(data)

			g.Expect(err2).NotTo(HaveOccurred())
			g.Expect(verify(compressed, data)).To(Succeed())
			again, _ := Gzip(data)
			g.Expect(again).To(Equal(compressed), "equal input gives equal output")
			if err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatal("gunzip is not installed")
				}
				t.Skip("NOT CHECKED: gunzip is not installed")
			}
			cmd := exec.CommandContext(t.Context(), gunzip, "-c")
			cmd.Stdin = bytes.NewReader(compressed)
			out, err := cmd.Output()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(bytes.Equal(out, data)).To(BeTrue(), "another reader")
		})
	}
}

func TestWhatIsReadBackOtherwiseIsAnError(t *testing.T) {
	g := NewWithT(t)
	compressed, err := Gzip([]byte("some text, some text"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(verify(compressed, []byte("another text"))).NotTo(Succeed())
	g.Expect(verify(compressed[:len(compressed)-1], []byte("some text, some text"))).NotTo(Succeed())
	g.Expect(verify(nil, nil)).NotTo(Succeed())
}

func TestTextTakesFewerBytesThanWithTheStandardLibrary(t *testing.T) {
	g := NewWithT(t)
	for _, name := range []string{"text", "text, keys, text"} {
		data := kinds(t)[name]
		var standard bytes.Buffer
		w, err := gzip.NewWriterLevel(&standard, gzip.BestCompression)
		g.Expect(err).NotTo(HaveOccurred())
		_, _ = w.Write(data)
		g.Expect(w.Close()).To(Succeed())

		compressed, err := Gzip(data)

		g.Expect(err).NotTo(HaveOccurred())
		t.Logf("%s: %d bytes, the standard library's %d", name, len(compressed), standard.Len())
		g.Expect(len(compressed)*100).To(BeNumerically("<=", standard.Len()*98), name)
	}
}

func TestNoCodeIsLongerThanTheFormatHas(t *testing.T) {
	g := NewWithT(t)
	counts := []int{1, 1}
	for len(counts) < 40 {
		counts = append(counts, counts[len(counts)-1]+counts[len(counts)-2])
	}
	for _, limit := range []int{7, 15} {
		lengths := codeLengths(counts, limit)
		sum := 0
		for _, length := range lengths {
			g.Expect(length).To(And(BeNumerically(">=", 1), BeNumerically("<=", limit)))
			sum += 1 << (limit - length)
		}
		g.Expect(sum).To(Equal(1<<limit), "the code is complete: readers refuse another")
	}
}

func FuzzGzip(f *testing.F) {
	for _, data := range kinds(f) {
		f.Add(data[:min(len(data), 2000)])
	}
	f.Add([]byte(strings.Repeat("abcabcabd", 40)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Gzip(data); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkGzip(b *testing.B) {
	data := text(b)
	for range b.N {
		if _, err := Gzip(data); err != nil {
			b.Fatal(fmt.Errorf("compressing: %w", err))
		}
	}
}
