// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// row is one line of the cluster's tree. key tells rows apart from one look to
// the next.
type row struct {
	key, text string
}

// screen shows progress: on a terminal as a tree that is redrawn in place,
// elsewhere as a line for each change.
type screen struct {
	out   io.Writer
	width func() int // nil when this is no terminal

	mu sync.Mutex
	// drawn is how many lines of the tree are on the terminal.
	drawn int
	seen  map[string]string
	// partial is what was written without a newline yet.
	partial bytes.Buffer
}

// newScreen shows progress on a file. unseen is called when that fails, as when
// a pipe has no reader any more.
func newScreen(file *os.File, unseen func()) *screen {
	s := &screen{out: watchedWriter{file, unseen}, seen: map[string]string{}}
	fd := int(file.Fd())
	if term.IsTerminal(fd) {
		s.width = func() int {
			width, _, err := term.GetSize(fd)
			if err != nil || width < 20 {
				return 80
			}
			return width
		}
	}
	return s
}

// watchedWriter calls failed when a write fails.
type watchedWriter struct {
	io.Writer
	failed func()
}

func (w watchedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		w.failed()
	}
	return n, err
}

// title starts a step.
func (s *screen) title(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freezeLocked()
	fmt.Fprintf(s.out, "\n%s\n", text)
}

// note says something about the running step.
func (s *screen) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eraseLocked()
	fmt.Fprintf(s.out, "    %s\n", text)
}

// done ends a step.
func (s *screen) done(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freezeLocked()
	fmt.Fprintf(s.out, "    done in %s\n", seconds(took))
}

// Write shows whole lines as notes, so that programs can report through it.
func (s *screen) Write(p []byte) (int, error) {
	s.partial.Write(p)
	for bytes.Contains(s.partial.Bytes(), []byte("\n")) {
		line, err := s.partial.ReadString('\n')
		if err != nil {
			return 0, err
		}
		s.note(strings.TrimRight(line, "\n"))
	}
	return len(p), nil
}

// show draws the tree, or prints what changed in it.
func (s *screen) show(rows []row, elapsed time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.width == nil {
		s.printChanges(rows, elapsed)
		return
	}
	s.eraseLocked()
	if len(rows) == 0 {
		return
	}
	width := s.width()
	lines := make([]string, 0, len(rows)+1)
	for _, r := range rows {
		lines = append(lines, cut(r.text, width-1))
	}
	lines = append(lines, cut("elapsed "+seconds(elapsed), width-1))
	fmt.Fprintln(s.out, strings.Join(lines, "\n"))
	s.drawn = len(lines)
}

func (s *screen) printChanges(rows []row, elapsed time.Duration) {
	now := map[string]string{}
	for _, r := range rows {
		now[r.key] = r.text
		if s.seen[r.key] != r.text {
			fmt.Fprintf(s.out, "%8s  %s\n", seconds(elapsed), strings.TrimLeft(r.text, " │├└─"))
		}
	}
	for key := range s.seen {
		if now[key] == "" {
			fmt.Fprintf(s.out, "%8s  %s is gone\n", seconds(elapsed), key)
		}
	}
	s.seen = now
}

// freeze leaves the tree on the terminal as it is.
func (s *screen) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freezeLocked()
}

func (s *screen) freezeLocked() { s.drawn = 0 }

// eraseLocked takes the tree off the terminal, by ECMA-48's cursor up and erase
// below.
func (s *screen) eraseLocked() {
	if s.drawn > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.drawn)
		s.drawn = 0
	}
}

// cut shortens a line to so many characters: one that wraps would make the
// redrawing miss its place.
func cut(line string, width int) string {
	runes := []rune(line)
	if len(runes) <= width {
		return line
	}
	return string(runes[:width-1]) + "…"
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
