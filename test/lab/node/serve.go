// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	webAddress  = ":8080"
	sinkAddress = ":8081"
	askTimeout  = 3 * time.Second
	// mostAnswer is how much of an answer is passed on, in bytes: metrics of an agent are the most.
	mostAnswer = 4 << 20
)

// serve answers over HTTP until ctx ends:
//
//	/            who answers, and whom it sees
//	/ask?url=    asks a URL and tells what came back
//	/resolve?name=  looks a name up
//	/stream?to=  sends to another's port 8081 for some seconds and tells the Mbit/s
//	/connect?to=  connects to the same port, again and again, and tells the connections a second
//	/datagram?to=  sends a datagram of 4,000 bytes to another's port 8082, which sends it back
func serve(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s\n", os.Getenv("NODE_NAME"), r.RemoteAddr)
	})
	mux.HandleFunc("/ask", ask)
	mux.HandleFunc("/resolve", func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		addresses, err := net.DefaultResolver.LookupHost(r.Context(), r.FormValue("name"))
		reply(w, begun, addresses, err)
	})
	mux.HandleFunc("/stream", stream)
	mux.HandleFunc("/connect", connect)
	mux.HandleFunc("/datagram", datagram)
	sink, err := (&net.ListenConfig{}).Listen(ctx, "tcp", sinkAddress)
	if err != nil {
		return err
	}
	go swallow(sink)
	datagrams, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", echoAddress)
	if err != nil {
		return errors.Join(err, sink.Close())
	}
	go echo(datagrams)
	server := &http.Server{Addr: webAddress, Handler: mux, ReadHeaderTimeout: askTimeout}
	go func() {
		<-ctx.Done()
		_ = errors.Join(server.Close(), sink.Close(), datagrams.Close())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// answer is the result of a question.
type answer struct {
	Value any     `json:"value"`
	Error string  `json:"error,omitempty"`
	Took  float64 `json:"seconds"`
}

func reply(w http.ResponseWriter, begun time.Time, value any, err error) {
	a := answer{Value: value, Took: time.Since(begun).Seconds()}
	if err != nil {
		a.Error = err.Error()
	}
	_ = json.NewEncoder(w).Encode(a)
}

// asking does not keep connections: each question finds its path again. The identity of the server
// does not matter, so certificates are not checked.
var asking = &http.Client{Timeout: askTimeout, Transport: &http.Transport{
	DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
}}

func ask(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, r.FormValue("url"), nil)
	if err != nil {
		reply(w, begun, nil, err)
		return
	}
	response, err := asking.Do(request)
	if err != nil {
		reply(w, begun, nil, err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	reply(w, begun, map[string]any{"status": response.StatusCode, "body": string(body)}, err)
}

func swallow(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}()
	}
}

// stream sends as fast as it can for five seconds.
func stream(w http.ResponseWriter, r *http.Request) {
	const duration = 5 * time.Second
	begun := time.Now()
	conn, err := dialSink(r)
	if err != nil {
		reply(w, begun, nil, err)
		return
	}
	defer func() { _ = conn.Close() }()
	block := make([]byte, 256<<10)
	sent := 0
	started := time.Now()
	for time.Since(started) < duration {
		n, err := conn.Write(block)
		sent += n
		if err != nil {
			reply(w, begun, nil, err)
			return
		}
	}
	reply(w, begun, float64(sent)*8/1e6/time.Since(started).Seconds(), nil)
}

// connect connects and hangs up for two seconds, one connection after the other.
func connect(w http.ResponseWriter, r *http.Request) {
	const duration = 2 * time.Second
	begun := time.Now()
	connections := 0
	for time.Since(begun) < duration {
		conn, err := dialSink(r)
		if err != nil {
			reply(w, begun, nil, err)
			return
		}
		_ = conn.Close()
		connections++
	}
	reply(w, begun, float64(connections)/time.Since(begun).Seconds(), nil)
}

// dialSink connects to the port of whom a request names that swallows what it gets.
func dialSink(r *http.Request) (net.Conn, error) {
	return (&net.Dialer{Timeout: askTimeout}).DialContext(r.Context(), "tcp", net.JoinHostPort(r.FormValue("to"), sinkAddress[1:]))
}
