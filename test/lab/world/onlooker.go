// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/machine"
)

// onlookers is the folder on a machine where onlookers keep what they see.
const onlookers = "/run/capom-lab"

// Onlooker is a program on a machine that asks URLs twice a second, on a new connection each time.
// It needs no API server, and ends with the machine's boot.
type Onlooker struct {
	machine *machine.Machine
	name    string
}

// Sight is what an onlooker has seen of a URL.
type Sight struct {
	Availability
	// Row is how many of the last requests were answered in a row.
	Row int
	// Last is the error of the last one that was not.
	Last string
}

// LookOn has an instance's machine ask URLs: itself, or in the network of its pod that probes.
func (w *World) LookOn(ctx context.Context, instanceID, name string, asPod bool, urls []string) (*Onlooker, error) {
	m := w.Machine(instanceID)
	if m == nil {
		return nil, fmt.Errorf("%s has no machine", instanceID)
	}
	o := &Onlooker{machine: m, name: "lab-onlooker-" + name}
	command := []string{"systemd-run", "--quiet", "--collect", "--unit=" + o.name}
	if asPod {
		pid, err := m.Exec(ctx, "sh", "-c", `for pid in $(pgrep -xf '/lab/node serve'); do ! grep -qz ^NODE_NAME= /proc/$pid/environ || echo $pid; done`)
		if err != nil {
			return nil, err
		}
		found := strings.Fields(pid)
		if len(found) != 1 {
			return nil, fmt.Errorf("the machine has %d pods that probe", len(found))
		}
		command = append(command, "nsenter", "--net=/proc/"+found[0]+"/ns/net")
	}
	command = append(command, "/opt/capom-lab/node", "watch", o.file())
	_, err := m.Exec(ctx, append(command, urls...)...)
	return o, err
}

func (o *Onlooker) file() string { return onlookers + "/" + o.name }

// Seen is what it has seen so far, by URL.
func (o *Onlooker) Seen(ctx context.Context) (map[string]Sight, error) {
	text, err := o.machine.Exec(ctx, "cat", o.file())
	if err != nil {
		return nil, err
	}
	seen := map[string]Sight{}
	if err := json.Unmarshal([]byte(text), &seen); err != nil {
		return nil, fmt.Errorf("read what %s has seen: %w", o.name, err)
	}
	return seen, nil
}

// Stop ends it.
func (o *Onlooker) Stop(ctx context.Context) error {
	_, err := o.machine.Exec(ctx, "systemctl", "stop", o.name)
	return err
}
