// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package enter_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/enter"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
)

const (
	// folder is the variable with the folder in which a lab of these tests and its test meet.
	folder = "CAPOM_LAB_TEST"
	// theTest is what runs outside and in each of its labs.
	theTest = "-test.run=^TestALabKeepsWhatItHasWhileOthersStartAndEnd$"
	soon    = time.Minute
)

// TestMain moves programs that the test starts into labs.
func TestMain(m *testing.M) {
	if os.Getenv(folder) != "" {
		enter.Enter()
	}
	os.Exit(m.Run())
}

// A lab has one of everything that the kernel keeps. It lives until the test lets it go.
func TestALabKeepsWhatItHasWhileOthersStartAndEnd(t *testing.T) {
	if enter.Inside() {
		live(t, os.Getenv(folder))
		return
	}
	g := NewWithT(t)
	lives, killed := start(t), start(t)

	g.Expect(enter.Run("-test.run=^$")).To(BeZero(), "a lab that starts and ends meanwhile")
	g.Expect(lives.has()).To(HaveLen(2))
	g.Expect(killed.has()).To(HaveLen(2))

	g.Expect(killed.program.Process.Kill()).To(Succeed())
	g.Expect(killed.program.Wait()).NotTo(Succeed())
	g.Expect(killed.has()).To(HaveLen(2), "nobody has cleaned up yet")
	g.Expect(enter.Clean(t.Context())).To(Succeed())
	g.Expect(killed.has()).To(BeEmpty())
	g.Expect(lives.has()).To(HaveLen(2))

	lives.let(t, "go")
	g.Expect(lives.program.Wait()).To(Succeed())
	g.Expect(lives.has()).To(BeEmpty())
}

// other is a program with a lab.
type other struct {
	dir     string
	program *exec.Cmd
}

func start(t *testing.T) *other {
	t.Helper()
	g := NewWithT(t)
	o := &other{dir: t.TempDir()}
	o.program = exec.CommandContext(t.Context(), os.Args[0], theTest, "-test.v")
	o.program.Env = append(os.Environ(), folder+"="+o.dir)
	o.program.Stdout, o.program.Stderr = os.Stderr, os.Stderr
	g.Expect(o.program.Start()).To(Succeed())
	g.Eventually(filepath.Join(o.dir, "ready"), soon).Should(BeAnExistingFile())
	return o
}

// has lists what the kernel keeps for the lab: a loop device and a control group.
func (o *other) has() []string {
	id, err := os.ReadFile(filepath.Join(o.dir, "ready"))
	if err != nil {
		return []string{err.Error()}
	}
	var all []string
	loops, err := exec.Command("losetup", "--list", "--noheadings", "--output=BACK-FILE").Output()
	if err != nil {
		return []string{err.Error()}
	}
	for line := range strings.Lines(string(loops)) {
		if strings.Contains(line, o.dir) {
			all = append(all, strings.TrimSpace(line))
		}
	}
	if _, err := os.Stat(group(string(id))); err == nil {
		all = append(all, group(string(id)))
	}
	return all
}

// let makes a file that somebody waits for, with the lab's id.
func (o *other) let(t *testing.T, name string) {
	t.Helper()
	g := NewWithT(t)
	file := filepath.Join(o.dir, name)
	g.Expect(os.WriteFile(file+".new", []byte(enter.ID()), 0o600)).To(Succeed())
	g.Expect(os.Rename(file+".new", file)).To(Succeed())
}

// group is a lab's control group, in the first hierarchy that is mounted.
func group(id string) string {
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		words := strings.Fields(line)
		if strings.HasPrefix(words[1], "/sys/fs/cgroup") && strings.HasPrefix(words[2], "cgroup") {
			return filepath.Join(words[1], "capomlab-"+id+"-machine")
		}
	}
	return "/sys/fs/cgroup"
}

// live is what a lab of the test does.
func live(t *testing.T, dir string) {
	t.Helper()
	g := NewWithT(t)
	names, err := os.ReadDir(filepath.Dir(network.Path(network.Management)))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(names).To(HaveLen(2), "a lab sees its own networks only")
	volume := filepath.Join(dir, enter.VolumesDir(), "disk")
	g.Expect(os.MkdirAll(filepath.Dir(volume), 0o755)).To(Succeed())
	g.Expect(os.WriteFile(volume, make([]byte, 1<<20), 0o600)).To(Succeed())
	out, err := exec.CommandContext(t.Context(), "losetup", "--find", "--show", volume).CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), "%s", out)
	g.Expect(os.Mkdir(group(enter.ID()), 0o755)).To(Succeed())
	(&other{dir: dir}).let(t, "ready")

	g.Eventually(filepath.Join(dir, "go"), soon).Should(BeAnExistingFile())
}
