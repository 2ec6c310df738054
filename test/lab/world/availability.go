// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

const (
	// askEvery and answerWithin are the pace of a client watching the endpoint.
	askEvery     = 200 * time.Millisecond
	answerWithin = 2 * time.Second
)

// Availability is how the endpoint answered over some time.
type Availability struct {
	Asked, Failed int
	// Longest is the longest time from the beginning of the first failed request to the end of the
	// next successful one.
	Longest time.Duration
}

func (a Availability) String() string {
	return fmt.Sprintf("%d of %d requests failed, the longest outage took %.1f s", a.Failed, a.Asked, a.Longest.Seconds())
}

// Answered is how many requests got what they asked for.
func (a Availability) Answered() int { return a.Asked - a.Failed }

// Observer asks a server five times a second, on a new connection each time, like a disconnected
// client.
type Observer struct {
	client *http.Client
	url    string
	stop   context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	result Availability
	// failing is since when requests fail; zero while they do not.
	failing time.Time
}

// Observe starts to watch the cluster's endpoint from the management host.
func (c *Cluster) Observe(ctx context.Context) (*Observer, error) {
	config, err := c.Config(ctx)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("watch the endpoint: %w", err)
	}
	return observe(ctx, transport, config.Host+"/readyz"), nil
}

// ObservePage starts to watch a page of some server from the management host.
func ObservePage(ctx context.Context, url string) *Observer {
	return observe(ctx, http.DefaultTransport, url)
}

func observe(ctx context.Context, transport http.RoundTripper, url string) *Observer {
	ctx, stop := context.WithCancel(ctx)
	o := &Observer{client: &http.Client{Transport: transport, Timeout: answerWithin}, url: url, stop: stop, done: make(chan struct{})}
	go o.run(ctx)
	return o
}

func (o *Observer) run(ctx context.Context) {
	defer close(o.done)
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		begun := time.Now()
		err := o.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		o.count(err, begun)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (o *Observer) ask(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url, nil)
	if err != nil {
		return err
	}
	request.Close = true
	response, err := o.client.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", o.url, response.Status)
	}
	return nil
}

func (o *Observer) count(err error, begun time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.result.Asked++
	switch {
	case err != nil:
		o.result.Failed++
		if o.failing.IsZero() {
			o.failing = begun
		}
	case !o.failing.IsZero():
		o.result.Longest = max(o.result.Longest, time.Since(o.failing))
		o.failing = time.Time{}
	}
}

// Seen is the result so far, and whether the last request was answered.
func (o *Observer) Seen() (Availability, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.result, o.result.Asked > 0 && o.failing.IsZero()
}

// Stop ends it and returns the result.
func (o *Observer) Stop() Availability {
	o.stop()
	<-o.done
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.failing.IsZero() {
		o.result.Longest = max(o.result.Longest, time.Since(o.failing))
	}
	return o.result
}
