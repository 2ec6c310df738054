// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package squeeze writes gzip's format (RFC 1951, RFC 1952) in fewer bytes than compress/gzip, at
// fifty times its CPU. It looks for the cheapest of all ways to write the data, and for where a
// further block with codes of its own pays, as zopfli does (google/zopfli). Equal input gives equal
// output.
package squeeze

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// rounds are how often it is decided where blocks end, and passes how often a block is written by
// what the last time has shown symbols to cost. More save nothing worth their time.
const (
	rounds = 2
	passes = 4
)

// Gzip compresses data. What comes out has been read back by compress/gzip.
func Gzip(data []byte) ([]byte, error) {
	var w bits
	// No name, no time, compressed as well as can be, on an unknown system.
	w.out.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255})
	blocks := blocksOf(data)
	for i, block := range blocks {
		writeBlock(&w, block, i == len(blocks)-1)
	}
	w.align()
	trailer := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(data))
	w.out.Write(binary.LittleEndian.AppendUint32(trailer, uint32(len(data)))) //nolint:gosec // RFC 1952 has it modulo 2^32.
	return w.out.Bytes(), verify(w.out.Bytes(), data)
}

func verify(compressed, data []byte) error {
	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return fmt.Errorf("reading back what was compressed: %w", err)
	}
	back, err := io.ReadAll(reader)
	if err != nil {
		return fmt.Errorf("reading back what was compressed: %w", err)
	}
	if !bytes.Equal(back, data) {
		return errors.New("what was compressed is not read back as it was")
	}
	return nil
}

// blocksOf are the data as tokens, block by block.
func blocksOf(data []byte) [][]token {
	found := findMatches(data)
	tokens := found.cheapest(0, len(data), guess())
	for range passes {
		tokens = found.cheapest(0, len(data), learn(tokens))
	}
	var blocks [][]token
	for range rounds {
		blocks = split(tokens)
		tokens = nil
		from := 0
		for i, block := range blocks {
			to := from + covered(block)
			blocks[i] = found.refine(block, from, to)
			tokens = append(tokens, blocks[i]...)
			from = to
		}
	}
	return blocks
}

// refine writes a block anew by what its own symbols cost, and returns the shortest.
func (m *matches) refine(block []token, from, to int) []token {
	best, least, last := block, bitsOf(block), block
	for range passes {
		last = m.cheapest(from, to, learn(last))
		if now := bitsOf(last); now < least {
			best, least = last, now
		}
	}
	return best
}

// covered is how many bytes tokens stand for.
func covered(tokens []token) (n int) {
	for _, t := range tokens {
		if t.distance == 0 {
			n++
		} else {
			n += int(t.length)
		}
	}
	return n
}

// split cuts tokens into blocks as long as that saves bits: a block's codes are written ahead of
// it.
func split(tokens []token) [][]token {
	const fewest = 200
	if len(tokens) < 2*fewest {
		return [][]token{tokens}
	}
	at, least := cut(tokens, fewest)
	if least >= bitsOf(tokens) {
		return [][]token{tokens}
	}
	return append(split(tokens[:at]), split(tokens[at:])...)
}

// cut looks for the best place to cut, around the best of a few that are spread evenly.
func cut(tokens []token, fewest int) (at, least int) {
	const tried = 9
	low, high := fewest, len(tokens)-fewest
	for {
		step := max(1, (high-low)/(tried+1))
		for here := low; here <= high; here += step {
			if now := bitsOf(tokens[:here]) + bitsOf(tokens[here:]); least == 0 || now < least {
				at, least = here, now
			}
		}
		if step == 1 {
			return at, least
		}
		low, high = max(fewest, at-step), min(len(tokens)-fewest, at+step)
	}
}
