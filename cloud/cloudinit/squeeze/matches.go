// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package squeeze

import "math"

const (
	window     = 1 << 15
	shortest   = 3
	longest    = 258
	hashBits   = 15
	chainLimit = 300
)

// token is a byte, whose distance is 0 and whose length is the byte, or length bytes as they stood
// distance bytes before.
type token struct{ length, distance uint16 }

// matches are what of the data stands there more than once. From a place on, a token of it says
// that so many bytes and any fewer can be had from a distance, the nearest one; the next token is
// for more bytes from further away.
type matches struct {
	data []byte
	all  []token
	// at are where the tokens of a place begin in all.
	at []int
}

func findMatches(data []byte) *matches {
	m := &matches{data: data, at: make([]int, 0, len(data)+1)}
	// Places are counted from 1, and 0 is none.
	head, before := make([]int, 1<<hashBits), make([]int, len(data)+1)
	for i := range data {
		m.at = append(m.at, len(m.all))
		if i+shortest > len(data) {
			continue
		}
		hash := (int(data[i])<<10 ^ int(data[i+1])<<5 ^ int(data[i+2])) & (1<<hashBits - 1)
		have, tried := shortest-1, 0
		for earlier := head[hash]; earlier > 0 && i-(earlier-1) <= window && have < longest && tried < chainLimit; earlier = before[earlier] {
			if n := common(data, earlier-1, i); n > have {
				have = n
				m.all = append(m.all, token{uint16(n), uint16(i - (earlier - 1))}) //nolint:gosec // at most 258, and 32768
			}
			tried++
		}
		before[i+1], head[hash] = head[hash], i+1
	}
	m.at = append(m.at, len(m.all))
	return m
}

// common is how many bytes from a and from b on are the same.
func common(data []byte, a, b int) (n int) {
	for n < longest && b+n < len(data) && data[a+n] == data[b+n] {
		n++
	}
	return n
}

// costs are the bits that symbols take.
type costs struct {
	literal  [256]float64
	length   [longest + 1]float64
	distance [30]float64
}

// guess is what symbols cost before anything is known.
func guess() *costs {
	var c costs
	for i := range c.literal {
		c.literal[i] = 7
	}
	for i := shortest; i <= longest; i++ {
		c.length[i] = 6 + float64(lengthCodes[i].extra)
	}
	for i := range c.distance {
		c.distance[i] = 5 + float64(distanceCodes[i].extra)
	}
	return &c
}

// learn is what the symbols of tokens would cost ideally, each minus the logarithm of its share.
func learn(tokens []token) *costs {
	count := countOf(tokens)
	price := func(counts []int) func(int) float64 {
		sum := 0
		for _, n := range counts {
			sum += n
		}
		return func(symbol int) float64 {
			return math.Log2(float64(max(sum, 1)) / max(float64(counts[symbol]), 0.5))
		}
	}
	symbol, distance := price(count.symbols[:]), price(count.distances[:])
	var c costs
	for i := range c.literal {
		c.literal[i] = symbol(i)
	}
	for i := shortest; i <= longest; i++ {
		c.length[i] = symbol(lengthCodes[i].symbol) + float64(lengthCodes[i].extra)
	}
	for i := range c.distance {
		c.distance[i] = distance(i) + float64(distanceCodes[i].extra)
	}
	return &c
}

// cheapest is the shortest way through the data between two places.
func (m *matches) cheapest(from, to int, c *costs) []token {
	n := to - from
	cost, how := make([]float64, n+1), make([]token, n+1)
	for i := 1; i <= n; i++ {
		cost[i] = math.Inf(1)
	}
	reach := func(at int, total float64, t token) {
		if total < cost[at] {
			cost[at], how[at] = total, t
		}
	}
	for i := range n {
		here := m.data[from+i]
		reach(i+1, cost[i]+c.literal[here], token{length: uint16(here)})
		length := shortest
		for _, match := range m.all[m.at[from+i]:m.at[from+i+1]] {
			base := cost[i] + c.distance[distanceSymbol(match.distance)]
			for ; length <= int(match.length) && i+length <= n; length++ {
				reach(i+length, base+c.length[length], token{uint16(length), match.distance}) //nolint:gosec // at most 258
			}
		}
	}
	return backwards(how)
}

// backwards collects the tokens that lead to the last place.
func backwards(how []token) []token {
	var steps []token
	for i := len(how) - 1; i > 0; {
		steps = append(steps, how[i])
		if how[i].distance == 0 {
			i--
		} else {
			i -= int(how[i].length)
		}
	}
	for i, j := 0, len(steps)-1; i < j; i, j = i+1, j-1 {
		steps[i], steps[j] = steps[j], steps[i]
	}
	return steps
}
