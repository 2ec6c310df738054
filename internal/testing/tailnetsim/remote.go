// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Remote is the control side of a Server in another process. Its methods mean what the Server's of
// the same names do.
type Remote struct {
	url    string
	client *http.Client
}

// NewRemote returns the control side of the server at this address.
func NewRemote(url string) *Remote {
	return &Remote{url: strings.TrimRight(url, "/"), client: &http.Client{}}
}

// WithClient returns the same with another HTTP client, as one trusting the server's certificate.
func (r *Remote) WithClient(client *http.Client) *Remote { return &Remote{url: r.url, client: client} }

// Register registers a machine; a refusal is a RegisterError.
func (r *Remote) Register(ctx context.Context, authKey, hostname string) (Device, error) {
	return post[Device](ctx, r, "register", registerBody{AuthKey: authKey, Hostname: hostname})
}

// Advertise replaces a device's advertised routes.
func (r *Remote) Advertise(ctx context.Context, id string, prefixes ...netip.Prefix) error {
	_, err := post[nothing](ctx, r, "advertise", changeBody{ID: id, Prefixes: prefixes})
	return err
}

// SetOnline connects a device to the control server or cuts it off.
func (r *Remote) SetOnline(ctx context.Context, id string, online bool) error {
	_, err := post[nothing](ctx, r, "online", changeBody{ID: id, Online: online})
	return err
}

// Logout logs a device out.
func (r *Remote) Logout(ctx context.Context, id string) error {
	_, err := post[nothing](ctx, r, "logout", changeBody{ID: id})
	return err
}

// PrimaryRouter returns the device receiving peers' traffic for the prefix; ErrNoDevice if there is
// none.
func (r *Remote) PrimaryRouter(ctx context.Context, prefix netip.Prefix) (Device, error) {
	return post[Device](ctx, r, "primary", prefixBody{Prefix: prefix})
}

// Devices returns all devices, oldest first.
func (r *Remote) Devices(ctx context.Context) ([]Device, error) {
	return post[[]Device](ctx, r, "devices", nothing{})
}

// Calls returns the requests to the API so far.
func (r *Remote) Calls(ctx context.Context) ([]Call, error) {
	return post[[]Call](ctx, r, "calls", nothing{})
}

// Leftovers returns all devices and all keys still good for joining.
func (r *Remote) Leftovers(ctx context.Context) (Leftovers, error) {
	return post[Leftovers](ctx, r, "leftovers", nothing{})
}

// Inject adds a fault.
func (r *Remote) Inject(ctx context.Context, fault Fault) error {
	_, err := post[nothing](ctx, r, "inject", fault)
	return err
}

// SetUnreachable makes the API cut every connection, or stop doing so.
func (r *Remote) SetUnreachable(ctx context.Context, unreachable bool) error {
	_, err := post[nothing](ctx, r, "unreachable", flagBody{On: unreachable})
	return err
}

func post[Out any](ctx context.Context, r *Remote, verb string, in any) (out Out, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/sim/"+verb, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := r.client.Do(req)
	if err != nil {
		return out, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusOK {
		return out, json.NewDecoder(res.Body).Decode(&out)
	}
	var answer struct {
		Message string `json:"message"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return out, fmt.Errorf("tailnetsim: %s: %s", verb, res.Status)
	}
	switch res.StatusCode {
	case http.StatusForbidden:
		return out, &RegisterError{Message: answer.Message}
	case http.StatusNotFound:
		return out, fmt.Errorf("tailnetsim: %s: %w", verb, ErrNoDevice)
	default:
		return out, errors.New("tailnetsim: " + verb + ": " + answer.Message)
	}
}
