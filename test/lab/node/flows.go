// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// hubbleSocket is where an agent gives out its node's flows, without TLS.
	hubbleSocket = "unix:///run/cilium/hubble.sock"
	getFlows     = "/observer.Observer/GetFlows"
)

// Numbers of fields and values in api/v1/observer/observer.proto and api/v1/flow/flow.proto of
// Cilium v1.20.2. Its own package for them would bring Cilium's requirements here.
const (
	requestNumber, requestWhitelist                        = 1, 6
	filterDestinationPod                                   = 4
	responseFlow                                           = 1
	flowVerdict, flowSource, flowDestination, flowDropDesc = 2, 8, 9, 25
	endpointNamespace, endpointPod                         = 3, 5

	mostFlows = 1000
)

var (
	verdicts    = map[uint64]string{1: "FORWARDED", 2: "DROPPED"}
	dropReasons = map[uint64]string{133: "POLICY_DENIED"}
)

// flow is what is printed of a flow; verdicts and reasons without a name here are numbers.
type flow struct {
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	From    string `json:"from"`
	To      string `json:"to"`
}

// printFlows prints the latest flows to a pod that Hubble has on this node.
func printFlows(ctx context.Context, pod string, out io.Writer) error {
	conn, err := grpc.NewClient(hubbleSocket, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, getFlows)
	if err != nil {
		return fmt.Errorf("ask Hubble: %w", err)
	}
	request := protowire.AppendVarint(protowire.AppendTag(nil, requestNumber, protowire.VarintType), mostFlows)
	filter := protowire.AppendString(protowire.AppendTag(nil, filterDestinationPod, protowire.BytesType), pod)
	request = protowire.AppendBytes(protowire.AppendTag(request, requestWhitelist, protowire.BytesType), filter)
	if err := errors.Join(stream.SendMsg(&request), stream.CloseSend()); err != nil {
		return fmt.Errorf("ask Hubble: %w", err)
	}
	lines := json.NewEncoder(out)
	for {
		var response []byte
		if err := stream.RecvMsg(&response); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read what Hubble says: %w", err)
		}
		seen, found := fieldsOf(response).message(responseFlow)
		if !found {
			continue
		}
		if err := lines.Encode(flowOf(seen)); err != nil {
			return err
		}
	}
}

func flowOf(f fields) flow {
	pod := func(number protowire.Number) string {
		endpoint, _ := f.message(number)
		if endpoint.bytes[endpointPod] == nil {
			return ""
		}
		return string(endpoint.bytes[endpointNamespace]) + "/" + string(endpoint.bytes[endpointPod])
	}
	return flow{
		Verdict: named(verdicts, f.numbers[flowVerdict]), Reason: named(dropReasons, f.numbers[flowDropDesc]),
		From: pod(flowSource), To: pod(flowDestination),
	}
}

func named(names map[uint64]string, value uint64) string {
	switch name, known := names[value]; {
	case known:
		return name
	case value == 0:
		return ""
	}
	return fmt.Sprint(value)
}

// fields are those of a message of protocol buffers, by number; of repeated ones the last.
type fields struct {
	numbers map[protowire.Number]uint64
	bytes   map[protowire.Number][]byte
}

// fieldsOf reads a message as far as it is one.
func fieldsOf(message []byte) fields {
	f := fields{numbers: map[protowire.Number]uint64{}, bytes: map[protowire.Number][]byte{}}
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return f
		}
		message = message[n:]
		switch kind {
		case protowire.VarintType:
			f.numbers[number], n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			f.bytes[number], n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return f
		}
		message = message[n:]
	}
	return f
}

func (f fields) message(number protowire.Number) (fields, bool) {
	content, found := f.bytes[number]
	return fieldsOf(content), found
}

// raw is gRPC's codec for messages that are bytes already.
type raw struct{}

// Marshal is encoding.Codec's.
func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

// Unmarshal is encoding.Codec's.
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = data
	return nil
}

// Name is the codec's that the server has.
func (raw) Name() string { return "proto" }
