// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package enter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/machine"
)

// labsDir has a file for each lab, by its id. A lab keeps its file locked as long as it lives, and
// the kernel unlocks it however the lab ends. door is locked by whoever adds or removes a file, or
// removes what dead labs left.
const (
	labsDir = "/run/lock/capom-labs"
	door    = "/run/lock/capom-lab.lock"
)

// labs counts this program's labs.
var labs atomic.Int32

// lab is a living lab, as its program outside has it. Its id is of the program's process id and a
// number.
type lab struct {
	id   string
	file *os.File
}

// open makes a lab known, after it has removed what dead ones left: one of them may have had the same
// id.
func open(ctx context.Context) (*lab, error) {
	l := &lab{id: fmt.Sprintf("%d.%d", os.Getpid(), labs.Add(1))}
	return l, atDoor(func() (err error) {
		if err := clean(ctx); err != nil {
			return err
		}
		l.file, err = lock(filepath.Join(labsDir, l.id), syscall.LOCK_EX)
		return err
	})
}

// close removes what the lab's end left.
func (l *lab) close(ctx context.Context) error {
	return atDoor(func() error { return errors.Join(unlock(l.file), clean(ctx)) })
}

// Clean removes what labs left that ended without doing so: control groups and loop devices. Living
// labs keep theirs.
func Clean(ctx context.Context) error {
	return atDoor(func() error { return clean(ctx) })
}

// atDoor calls a function while nobody else changes who lives.
func atDoor(what func() error) error {
	if err := os.MkdirAll(labsDir, 0o755); err != nil {
		return fmt.Errorf("make a folder for locks: %w", err)
	}
	file, err := lock(door, syscall.LOCK_EX)
	if err != nil {
		return err
	}
	return errors.Join(what(), unlock(file))
}

func lock(path string, how int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	for {
		err = syscall.Flock(int(file.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return file, nil
}

// unlock unlocks a file at once: a program that is being started may hold it for another moment.
func unlock(file *os.File) error {
	return errors.Join(syscall.Flock(int(file.Fd()), syscall.LOCK_UN), file.Close())
}

// living are the ids of all labs that live. Files of dead ones are removed.
func living() (map[string]bool, error) {
	files, err := os.ReadDir(labsDir)
	if err != nil {
		return nil, fmt.Errorf("look which labs live: %w", err)
	}
	alive := map[string]bool{}
	for _, entry := range files {
		path := filepath.Join(labsDir, entry.Name())
		file, err := lock(path, syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			alive[entry.Name()] = true
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := errors.Join(os.Remove(path), file.Close()); err != nil {
			return nil, fmt.Errorf("forget a dead lab: %w", err)
		}
	}
	return alive, nil
}

func clean(ctx context.Context) error {
	alive, err := living()
	if err != nil {
		return err
	}
	return errors.Join(machine.CleanGroups(alive), cleanLoops(ctx, alive))
}

// volumesDir is in the path of every file behind a block volume, followed by the lab's id: Clean
// recognises the lab's by it.
const volumesDir = "/capom-lab-volumes/"

// VolumesDir is where a world keeps the files behind block volumes, below its own folder.
func VolumesDir() string { return volumesDir + ID() }

// cleanLoops detaches loop devices over volumes of dead labs.
func cleanLoops(ctx context.Context, alive map[string]bool) error {
	out, err := exec.CommandContext(ctx, "losetup", "--list", "--noheadings", "--output=NAME,BACK-FILE").Output()
	if err != nil {
		return fmt.Errorf("list loop devices: %w", err)
	}
	var errs []error
	for _, device := range devicesOfDead(string(out), alive) {
		if out, err := exec.CommandContext(ctx, "losetup", "--detach", device).CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("detach %s: %w: %s", device, err, out))
		}
	}
	return errors.Join(errs...)
}

// devicesOfDead picks dead labs' devices out of losetup's list of devices and files.
func devicesOfDead(list string, alive map[string]bool) []string {
	var devices []string
	for line := range strings.Lines(list) {
		device, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		_, own, ours := strings.Cut(file, volumesDir)
		id, _, _ := strings.Cut(own, "/")
		if ours && !alive[id] {
			devices = append(devices, device)
		}
	}
	return devices
}
