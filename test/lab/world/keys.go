// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"tailscale.com/client/tailscale/v2"
)

// CreateKey makes a single-use key with tags through the tailnet's API.
func (w *World) CreateKey(ctx context.Context, life time.Duration, tags ...string) (*tailscale.Key, error) {
	request := tailscale.CreateKeyRequest{ExpirySeconds: int64(life / time.Second)}
	request.Capabilities.Devices.Create.Preauthorized = true
	request.Capabilities.Devices.Create.Tags = tags
	key, err := w.api().Keys().CreateAuthKey(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("create an auth key: %w", err)
	}
	return key, nil
}

// DeleteKey revokes a key.
func (w *World) DeleteKey(ctx context.Context, id string) error {
	return w.api().Keys().Delete(ctx, id)
}

func (w *World) api() *tailscale.Client {
	return &tailscale.Client{BaseURL: &url.URL{Scheme: "https", Host: serverAddress}, APIKey: w.apiKey, Tailnet: "-", HTTP: w.http}
}

// keyFile makes a key and returns the path of a file with it.
func (w *World) keyFile(ctx context.Context, tag string) (string, error) {
	key, err := w.CreateKey(ctx, time.Hour, tag)
	if err != nil {
		return "", err
	}
	file, err := os.CreateTemp(w.Dir, "auth-key-")
	if err != nil {
		return "", fmt.Errorf("keep an auth key: %w", err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.WriteString(key.Key); err != nil {
		return "", fmt.Errorf("keep an auth key: %w", err)
	}
	return file.Name(), nil
}
