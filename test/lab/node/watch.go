// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// watchEvery and watchPatience are the pace of one who is watched by.
	watchEvery    = 500 * time.Millisecond
	watchPatience = 1500 * time.Millisecond
)

// outages is how a URL was answered over some time. Its fields are those of world.Sight.
type outages struct {
	Asked, Failed, Row int
	Longest            time.Duration
	Last               string

	failing time.Time
}

// watch asks URLs until ctx ends, each on a new connection each time, and keeps in a file how they
// answered.
func watch(ctx context.Context, file string, urls []string) error {
	seen := map[string]*outages{}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, url := range urls {
		o := &outages{}
		seen[url] = o
		asking.Go(func() {
			ticker := time.NewTicker(watchEvery)
			defer ticker.Stop()
			for {
				begun := time.Now()
				err := get(ctx, url)
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				o.count(err, begun)
				mu.Unlock()
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
				}
			}
		})
	}
	defer asking.Wait()
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		mu.Lock()
		text, err := json.Marshal(seen)
		mu.Unlock()
		if err == nil {
			err = replace(file, text)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// count takes an outage that goes on for as long as it has lasted.
func (o *outages) count(err error, begun time.Time) {
	o.Asked++
	o.Row++
	if err != nil {
		o.Failed++
		o.Row, o.Last = 0, err.Error()
		if o.failing.IsZero() {
			o.failing = begun
		}
	}
	if !o.failing.IsZero() {
		o.Longest = max(o.Longest, time.Since(o.failing))
	}
	if err == nil {
		o.failing = time.Time{}
	}
}

func get(ctx context.Context, url string) error {
	ctx, stop := context.WithTimeout(ctx, watchPatience)
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := asking.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", response.Status)
	}
	return nil
}

// replace lets a reader see the file whole.
func replace(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
