// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// Row is one line of the cluster's tree. Key tells rows apart from one look to
// the next.
type Row struct {
	Key, Text string
}

// quiet is how long a step may say nothing. Nobody has to ask after ten seconds whether it hangs.
const quiet = 8 * time.Second

// Screen shows progress: on a terminal as a tree redrawn in place, elsewhere as a line for each
// change.
type Screen struct {
	out   io.Writer
	width func() int // nil when this is no terminal

	mu sync.Mutex
	// drawn is how many lines of the tree are on the terminal.
	drawn int
	seen  map[string]string
	// partial is the output without a newline yet.
	partial bytes.Buffer

	// began is when the running step began, zero between steps; said is when it said something.
	began, said time.Time
	// awaited is what it waits for, empty if that is not known.
	awaited string
}

// NewScreen shows progress on a file. unseen is called when writing fails, as when a pipe has no
// reader any more.
func NewScreen(file *os.File, unseen func()) *Screen {
	s := &Screen{out: watchedWriter{file, unseen}, seen: map[string]string{}}
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

// Title starts a step.
func (s *Screen) Title(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freezeLocked()
	s.began, s.said, s.awaited = time.Now(), time.Now(), ""
	fmt.Fprintf(s.out, "\n%s\n", text)
}

// Await is for what the running step waits, should it be silent for long.
func (s *Screen) Await(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaited = what
}

// Tick says that the running step goes on when it has been silent for long, until the context ends.
func (s *Screen) Tick(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			s.tick(now)
		}
	}
}

func (s *Screen) tick(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began.IsZero() || now.Sub(s.said) < quiet {
		return
	}
	s.eraseLocked()
	s.said = now
	text := "still running after " + now.Sub(s.began).Round(time.Second).String()
	if s.awaited != "" {
		text += ", waiting for " + s.awaited
	}
	fmt.Fprintf(s.out, "    %s\n", text)
}

// Note says something about the running step.
func (s *Screen) Note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eraseLocked()
	s.said = time.Now()
	fmt.Fprintf(s.out, "    %s\n", text)
}

// Done ends a step.
func (s *Screen) Done(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freezeLocked()
	s.began = time.Time{}
	fmt.Fprintf(s.out, "    done in %s\n", Seconds(took))
}

// Write shows whole lines as notes, for programs to report through it.
func (s *Screen) Write(p []byte) (int, error) {
	s.partial.Write(p)
	for bytes.Contains(s.partial.Bytes(), []byte("\n")) {
		line, err := s.partial.ReadString('\n')
		if err != nil {
			return 0, err
		}
		s.Note(strings.TrimRight(line, "\n"))
	}
	return len(p), nil
}

// Show draws the tree, or prints its changes.
func (s *Screen) Show(rows []Row, elapsed time.Duration) {
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
		lines = append(lines, cut(r.Text, width-1))
	}
	s.said = time.Now()
	lines = append(lines, cut("elapsed "+Seconds(elapsed), width-1))
	fmt.Fprintln(s.out, strings.Join(lines, "\n"))
	s.drawn = len(lines)
}

func (s *Screen) printChanges(rows []Row, elapsed time.Duration) {
	now := map[string]string{}
	for _, r := range rows {
		now[r.Key] = r.Text
		if s.seen[r.Key] != r.Text {
			s.said = time.Now()
			fmt.Fprintf(s.out, "%8s  %s\n", Seconds(elapsed), strings.TrimLeft(r.Text, " │├└─"))
		}
	}
	for key := range s.seen {
		if now[key] == "" {
			fmt.Fprintf(s.out, "%8s  %s is gone\n", Seconds(elapsed), key)
		}
	}
	s.seen = now
}

// Out is where tables go; the tree must be frozen.
func (s *Screen) Out() io.Writer { return s.out }

// Freeze leaves the tree on the terminal as it is.
func (s *Screen) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freezeLocked()
	s.began = time.Time{}
}

func (s *Screen) freezeLocked() { s.drawn = 0 }

// eraseLocked takes the tree off the terminal, by ECMA-48's cursor up and erase
// below.
func (s *Screen) eraseLocked() {
	if s.drawn > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.drawn)
		s.drawn = 0
	}
}

// cut shortens a line to so many characters: a wrapped one would make the redrawing miss its place.
func cut(line string, width int) string {
	runes := []rune(line)
	if len(runes) <= width {
		return line
	}
	return string(runes[:width-1]) + "…"
}

// Seconds writes a duration as 12.3s.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
