// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const routersHostname = "routers"

// ourPods is the clusters' pod network, by the templates' default.
const ourPods = "10.244.0.0/16"

// routersRoutes are what other devices of a user's tailnet offer: an exit node, an office, a home,
// and a Kubernetes operator's connector for pods.
func routersRoutes(connector string) []string {
	return []string{"0.0.0.0/0", "::/0", "10.0.0.0/8", "192.168.1.0/24", connector}
}

// joinRouters puts a device on the tailnet whose routes overlap the clusters' networks. It is a
// tailscaled without an interface, so the management host's own is alone.
func (w *World) joinRouters(ctx context.Context, connector string) error {
	if connector == "" {
		connector = ourPods
	}
	key, err := w.keyFile(ctx, operatorTag)
	if err != nil {
		return err
	}
	state := filepath.Join(w.Dir, "routers-tailscale")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return fmt.Errorf("make the routers' folder: %w", err)
	}
	a := w.Programs.Assets
	trust, socket := "SSL_CERT_FILE="+a.CA.Cert, filepath.Join(state, "socket")
	if err := w.run("routers-tailscaled", []string{trust}, a.Tailscaled, "--no-logs-no-support", "--tun=userspace-networking",
		"--statedir="+state, "--socket="+socket, "--port=0"); err != nil {
		return err
	}
	if err := w.WaitFor(ctx, startTimeout, func(context.Context) string {
		if _, err := os.Stat(socket); err != nil {
			return "the routers' socket"
		}
		return ""
	}); err != nil {
		return err
	}
	up := exec.CommandContext(ctx, a.Tailscale, "--socket="+socket, "up", "--login-server="+loginServer, "--auth-key=file:"+key, "--timeout=50s",
		"--hostname="+routersHostname, "--accept-dns=false", "--advertise-exit-node", "--advertise-routes=10.0.0.0/8,192.168.1.0/24,"+connector)
	up.Env = append(os.Environ(), trust)
	if out, err := up.CombinedOutput(); err != nil {
		return fmt.Errorf("join the tailnet with the routers: %w: %s", err, out)
	}
	if err := w.approveRouters(ctx, connector); err != nil {
		return err
	}
	w.note("an exit node, an office, a home and a connector are on the tailnet")
	return nil
}

func (w *World) approveRouters(ctx context.Context, connector string) error {
	devices, err := w.Tailnet.Devices(ctx)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if d.Hostname == routersHostname {
			return w.api().Devices().SetSubnetRoutes(ctx, d.ID, routersRoutes(connector))
		}
	}
	return errors.New("the routers are not on the tailnet")
}
