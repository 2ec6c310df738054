// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// groupPrefix begins the names of labs' control groups; the lab's id and the machine's name follow.
const groupPrefix = "capomlab-"

// controllers are the mounted hierarchies of control groups, version 1 or 2. A machine is put into
// a group of its own in each: nspawn gives it a namespace of groups with this one as its root, so
// kubelets do not meet.
func controllers() ([]string, error) {
	file, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("look for control groups: %w", err)
	}
	defer func() { _ = file.Close() }()
	var mounts []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) > 2 && (words[2] == "cgroup" || words[2] == "cgroup2") && strings.HasPrefix(words[1], "/sys/fs/cgroup") {
			mounts = append(mounts, words[1])
		}
	}
	if len(mounts) == 0 {
		return nil, errors.New("no control groups are mounted below /sys/fs/cgroup")
	}
	return mounts, nil
}

func (m *Machine) groups() ([]string, error) {
	mounts, err := controllers()
	for i := range mounts {
		mounts[i] = filepath.Join(mounts[i], groupPrefix+m.config.Lab+"-"+m.config.Name)
	}
	return mounts, err
}

func (m *Machine) makeGroups() error {
	groups, err := m.groups()
	if err != nil {
		return err
	}
	for _, group := range groups {
		if err := os.MkdirAll(group, 0o755); err != nil {
			return fmt.Errorf("make a control group: %w", err)
		}
		if filepath.Base(filepath.Dir(group)) != "cpuset" {
			continue
		}
		// A group of the first version may use no CPU and no memory until it is told to, and so may
		// those below it.
		for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(filepath.Dir(group), name))
			if err == nil {
				err = os.WriteFile(filepath.Join(group, name), value, 0o644)
			}
			if err != nil {
				return fmt.Errorf("set up a control group: %w", err)
			}
		}
		if err := os.WriteFile(filepath.Join(group, "cgroup.clone_children"), []byte("1"), 0o644); err != nil {
			return fmt.Errorf("set up a control group: %w", err)
		}
	}
	return nil
}

func (m *Machine) groupsEnv() string {
	groups, _ := m.groups()
	return "CAPOM_LAB_GROUPS=" + strings.Join(groups, " ")
}

func (m *Machine) removeGroups() error {
	groups, err := m.groups()
	for _, group := range groups {
		err = errors.Join(err, removeGroup(group))
	}
	return err
}

// CleanGroups removes the control groups of all labs but the living, which it gets by their ids.
func CleanGroups(living map[string]bool) error {
	mounts, err := controllers()
	for _, mount := range mounts {
		found, globErr := filepath.Glob(filepath.Join(mount, groupPrefix+"*"))
		err = errors.Join(err, globErr)
		for _, group := range found {
			if !living[labOf(group)] {
				err = errors.Join(err, removeGroup(group))
			}
		}
	}
	return err
}

// labOf is the id of a control group's lab.
func labOf(group string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(group), groupPrefix), "-")
	return id
}

// removeGroup removes a group and those below it, the deepest first. Killed
// processes may take a moment to leave.
func removeGroup(group string) error {
	var dirs []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove a control group: %w", err)
	}
	slices.Reverse(dirs)
	deadline := time.Now().Add(killTimeout)
	for _, dir := range dirs {
		err := os.Remove(dir)
		for err != nil && !errors.Is(err, fs.ErrNotExist) && time.Now().Before(deadline) {
			<-time.After(50 * time.Millisecond)
			err = os.Remove(dir)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a control group: %w", err)
		}
	}
	return nil
}
