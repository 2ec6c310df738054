// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package squeeze

import (
	"bytes"
	"cmp"
	mathbits "math/bits"
	"slices"
)

const (
	endOfBlock = 256
	// codeLimit is the longest code of a block, and lengthLimit that of the codes' lengths.
	codeLimit   = 15
	lengthLimit = 7
)

// code is how a number is written: a symbol, and bits beside it for what is above base.
type code struct{ symbol, extra, base int }

// lengthCodes are those of matches' lengths, distanceCodes those of distances (RFC 1951, 3.2.5).
var (
	lengthCodes   = lengths()
	distanceCodes = distances()
)

func lengths() (all [longest + 1]code) {
	base := shortest
	for symbol := 257; symbol < 285; symbol++ {
		extra := max(0, (symbol-261)/4)
		for n := base; n < base+1<<extra && n < longest; n++ {
			all[n] = code{symbol, extra, base}
		}
		base += 1 << extra
	}
	all[longest] = code{285, 0, longest}
	return all
}

func distances() (all [30]code) {
	base := 1
	for symbol := range all {
		extra := max(0, (symbol-2)/2)
		all[symbol] = code{symbol, extra, base}
		base += 1 << extra
	}
	return all
}

func distanceSymbol(distance uint16) int {
	d := int(distance) - 1
	if d < 4 {
		return d
	}
	high := mathbits.Len(uint(d)) - 1 //nolint:gosec // positive
	return 2*high + d>>(high-1)&1
}

// counts are how often a block has each symbol.
type counts struct {
	symbols   [286]int
	distances [30]int
}

func countOf(tokens []token) *counts {
	var c counts
	c.symbols[endOfBlock] = 1
	for _, t := range tokens {
		if t.distance == 0 {
			c.symbols[t.length]++
			continue
		}
		c.symbols[lengthCodes[t.length].symbol]++
		c.distances[distanceSymbol(t.distance)]++
	}
	// Some readers take no code of a single symbol.
	for i := 0; used(c.distances[:]) < 2; i++ {
		c.distances[i] = max(1, c.distances[i])
	}
	return &c
}

func used(counts []int) (n int) {
	for _, count := range counts {
		if count > 0 {
			n++
		}
	}
	return n
}

// header is what precedes a block: the lengths of its codes, in a code of their own.
type header struct {
	symbols, distances []int
	// packed are the lengths as symbols of RFC 1951, 3.2.7, and packing the lengths of their codes.
	packed  []packedLength
	packing []int
}

type packedLength struct{ symbol, extra, value int }

// packingOrder is the order in which the lengths of the packing's codes stand.
var packingOrder = [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func headerOf(c *counts) *header {
	h := &header{symbols: codeLengths(c.symbols[:], codeLimit), distances: codeLengths(c.distances[:], codeLimit)}
	h.symbols, h.distances = shortened(h.symbols, 257), shortened(h.distances, 1)
	h.packed = pack(slices.Concat(h.symbols, h.distances))
	var uses [19]int
	for _, p := range h.packed {
		uses[p.symbol]++
	}
	h.packing = codeLengths(uses[:], lengthLimit)
	return h
}

// shortened leaves out zeros at the end.
func shortened(lengths []int, fewest int) []int {
	for len(lengths) > fewest && lengths[len(lengths)-1] == 0 {
		lengths = lengths[:len(lengths)-1]
	}
	return lengths
}

// pack writes lengths that follow each other several times as one symbol.
func pack(lengths []int) (out []packedLength) {
	for i := 0; i < len(lengths); {
		run := i
		for run < len(lengths) && lengths[run] == lengths[i] {
			run++
		}
		n := run - i
		switch {
		case lengths[i] == 0 && n >= 11:
			n = min(n, 138)
			out = append(out, packedLength{18, 7, n - 11})
		case lengths[i] == 0 && n >= 3:
			out = append(out, packedLength{17, 3, n - 3})
		case i > 0 && lengths[i] == lengths[i-1] && n >= 3:
			n = min(n, 6)
			out = append(out, packedLength{16, 2, n - 3})
		default:
			n = 1
			out = append(out, packedLength{lengths[i], 0, 0})
		}
		i += n
	}
	return out
}

// packings is how many lengths of the packing's codes are written.
func (h *header) packings() int {
	n := len(packingOrder)
	for n > 4 && h.packing[packingOrder[n-1]] == 0 {
		n--
	}
	return n
}

func (h *header) bits() int {
	n := 3 + 5 + 5 + 4 + 3*h.packings()
	for _, p := range h.packed {
		n += h.packing[p.symbol] + p.extra
	}
	return n
}

// bitsOf is the size of a block.
func bitsOf(tokens []token) int {
	c := countOf(tokens)
	h := headerOf(c)
	n := h.bits() + h.symbols[endOfBlock]
	for _, t := range tokens {
		if t.distance == 0 {
			n += h.symbols[t.length]
			continue
		}
		length, distance := lengthCodes[t.length], distanceCodes[distanceSymbol(t.distance)]
		n += h.symbols[length.symbol] + length.extra + h.distances[distance.symbol] + distance.extra
	}
	return n
}

func writeBlock(w *bits, tokens []token, last bool) {
	h := headerOf(countOf(tokens))
	final := 0
	if last {
		final = 1
	}
	w.write(final, 1)
	w.write(2, 2) // with codes of its own
	w.write(len(h.symbols)-257, 5)
	w.write(len(h.distances)-1, 5)
	w.write(h.packings()-4, 4)
	for _, symbol := range packingOrder[:h.packings()] {
		w.write(h.packing[symbol], 3)
	}
	packing, symbols, distances := codesOf(h.packing), codesOf(h.symbols), codesOf(h.distances)
	for _, p := range h.packed {
		w.write(packing[p.symbol], h.packing[p.symbol])
		w.write(p.value, p.extra)
	}
	for _, t := range tokens {
		if t.distance == 0 {
			w.write(symbols[t.length], h.symbols[t.length])
			continue
		}
		length, distance := lengthCodes[t.length], distanceCodes[distanceSymbol(t.distance)]
		w.write(symbols[length.symbol], h.symbols[length.symbol])
		w.write(int(t.length)-length.base, length.extra)
		w.write(distances[distance.symbol], h.distances[distance.symbol])
		w.write(int(t.distance)-distance.base, distance.extra)
	}
	w.write(symbols[endOfBlock], h.symbols[endOfBlock])
}

// codeLengths are those of Huffman's code, none above limit: counts that differ less make the tree
// flatter.
func codeLengths(counts []int, limit int) []int {
	counts = slices.Clone(counts)
	for {
		lengths := huffman(counts)
		if slices.Max(lengths) <= limit {
			return lengths
		}
		for i, count := range counts {
			counts[i] = (count + 1) / 2
		}
	}
}

// node is one of Huffman's tree: a symbol, or the join of two others.
type node struct{ count, symbol, parent int }

// huffman joins the two nodes with the lowest counts until one is left. Joins come in the order of
// their counts, so that the lowest is the first of the symbols or of the joins.
func huffman(counts []int) []int {
	lengths := make([]int, len(counts))
	nodes := make([]node, 0, 2*len(counts))
	for symbol, count := range counts {
		if count > 0 {
			nodes = append(nodes, node{count: count, symbol: symbol})
		}
	}
	slices.SortFunc(nodes, func(a, b node) int { return cmp.Or(cmp.Compare(a.count, b.count), cmp.Compare(a.symbol, b.symbol)) })
	symbols := len(nodes)
	symbol, join := 0, symbols
	lowest := func() (at int) {
		if symbol < symbols && (join == len(nodes) || nodes[symbol].count <= nodes[join].count) {
			symbol++
			return symbol - 1
		}
		join++
		return join - 1
	}
	for range symbols - 1 {
		a := lowest()
		b := lowest()
		nodes[a].parent, nodes[b].parent = len(nodes), len(nodes)
		nodes = append(nodes, node{count: nodes[a].count + nodes[b].count})
	}
	// A parent comes after its children: from the root down, each is one deeper than its own.
	depth := make([]int, len(nodes))
	for i := len(nodes) - 2; i >= 0; i-- {
		depth[i] = depth[nodes[i].parent] + 1
	}
	for i, n := range nodes[:symbols] {
		lengths[n.symbol] = max(1, depth[i])
	}
	return lengths
}

// codesOf are the codes of the lengths, in the order in which bits are written (RFC 1951, 3.2.2).
func codesOf(lengths []int) []int {
	codes, next := make([]int, len(lengths)), 0
	for length := 1; length <= codeLimit; length++ {
		next <<= 1
		for symbol, n := range lengths {
			if n == length {
				codes[symbol] = int(mathbits.Reverse16(uint16(next)) >> (16 - length)) //nolint:gosec // 15 bits at most
				next++
			}
		}
	}
	return codes
}

// bits are written from the lowest of a byte on.
type bits struct {
	out     bytes.Buffer
	pending uint64
	count   int
}

func (w *bits) write(value, n int) {
	w.pending |= uint64(value) << w.count //nolint:gosec // positive
	for w.count += n; w.count >= 8; w.count -= 8 {
		w.out.WriteByte(byte(w.pending)) //nolint:gosec // the lowest
		w.pending >>= 8
	}
}

func (w *bits) align() {
	if w.count > 0 {
		w.write(0, 8-w.count)
	}
}
