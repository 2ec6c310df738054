// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// requireTool skips a test if the machine lacks a program, and names the package to install; in CI
// it fails instead.
func requireTool(t *testing.T, program, install string) string {
	t.Helper()
	found, err := exec.LookPath(program)
	if err == nil {
		return found
	}
	message := fmt.Sprintf("NOT CHECKED: %s is not installed: run `apt-get install %s`", program, install)
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}

// requireNamespaces skips a test if the kernel does not give what unshare is to make, and returns
// unshare: a container or a kernel may refuse it, whatever is installed.
func requireNamespaces(t *testing.T, unshared ...string) string {
	t.Helper()
	unshare := requireTool(t, "unshare", "util-linux")
	if err := exec.Command(unshare, append(unshared, "true")...).Run(); err != nil {
		t.Skipf("NOT CHECKED: this machine gives no namespaces: %v", err)
	}
	return unshare
}

// testNode is a directory for running the node's scripts, with stand-ins for the programs they
// call. Every call of a stand-in is a line in calls; its output and exit status come from a shell
// fragment set by stub.
type testNode struct {
	t     *testing.T
	root  string
	stubs string
}

// stubbed are the programs with stand-ins: the real ones would touch the machine the tests run on.
var stubbed = []string{
	"systemctl", "tailscale", "tailscaled", "ip", "modprobe", "sysctl", "swapoff", "iptables", "firewall-cmd", "nft", "curl",
	"apt-get", "apt-mark", "dnf", "containerd", "kubeadm", "kubelet", "mkfs.ext4", "mkfs.xfs", "blkid", "mount", "mountpoint",
	"restorecon", "setenforce", "openssl", "uname", "findmnt", "lsblk", "growpart", "pvresize", "lvextend",
	"dpkg", "dpkg-query", "rpm", "blockdev", "dd", "resize2fs", "xfs_growfs", "hostname",
}

// tools are the programs of this machine that scripts and stand-ins find beside: they touch nothing
// but the files that they are given. Another one would do to this machine what it does to a node.
var tools = []string{
	"awk", "bash", "cat", "chmod", "cmp", "cp", "cut", "date", "dirname", "flock", "gpg", "grep", "gzip", "head", "id", "install", "ls",
	"mkdir", "mv", "readlink", "rm", "rmdir", "sed", "sh", "sha256sum", "sleep", "sort", "stat", "sync", "tail", "tar", "tee", "timeout",
	"touch", "tr", "wc",
}

const stubScript = `#!/bin/sh
name=${0##*/}
echo "$name $*" >>"$CAPOM_ROOT/calls"
if [ -f "$CAPOM_ROOT/stubs/$name.stub" ]; then . "$CAPOM_ROOT/stubs/$name.stub"; fi
`

func newTestNode(t *testing.T, in Input) *testNode {
	t.Helper()
	n := &testNode{t: t, root: t.TempDir()}
	n.stubs = filepath.Join(n.root, "stubs")
	for _, name := range stubbed {
		n.write("stubs/"+name, stubScript, 0o755)
	}
	n.real(tools...)
	n.write("etc/os-release", "ID=ubuntu\nVERSION_CODENAME=noble\nVERSION_ID=24.04\n", 0o644)
	n.write("etc/fstab", "LABEL=root / ext4 defaults 0 1\n", 0o644)
	n.write("var/lib/cloud/data/instance-id", "ocid1.instance.oc1..node\n", 0o644)
	n.write("calls", "", 0o644)
	n.stub("uname", `if [ "$1" = -m ]; then echo aarch64; else echo 6.14.0-1010-oracle; fi`)
	n.stub("systemctl", `[ "$1" != is-active ]`)
	n.onTailnet("100.64.0.7")

	userData, err := Render(in)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(userData)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range parsed.Files {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, scriptsDir) {
			mode = 0o755
		}
		n.write(name, string(content), mode)
	}
	return n
}

// onTailnet has tailscale and ip answer as on a joined node once "joined" exists; "up" creates it.
func (n *testNode) onTailnet(address string) {
	n.stub("tailscale", fmt.Sprintf(`case $1 in
version) echo 1.102.3 ;;
status) if [ -e "$CAPOM_ROOT/joined" ]; then state=Running; else state=NeedsLogin; fi; echo "{ \"BackendState\": \"$state\" }" ;;
up) touch "$CAPOM_ROOT/joined" ;;
ip) [ -e "$CAPOM_ROOT/joined" ] && echo %s ;;
esac`, address))
	n.stub("ip", fmt.Sprintf(`case "$*" in *tailscale0*) echo "5: tailscale0 inet %s/32 scope global tailscale0" ;; esac`, address))
}

func (n *testNode) stub(program, fragment string) {
	n.write("stubs/"+program+".stub", fragment+"\n", 0o644)
}

// real has the scripts run programs of this machine, those that there are, in place of stand-ins.
func (n *testNode) real(programs ...string) {
	n.t.Helper()
	folder := filepath.Join(n.root, "tools")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		n.t.Fatal(err)
	}
	for _, program := range programs {
		if err := os.RemoveAll(filepath.Join(n.stubs, program)); err != nil {
			n.t.Fatal(err)
		}
		for _, of := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
			if _, err := os.Stat(filepath.Join(of, program)); err != nil {
				continue
			}
			if err := os.Symlink(filepath.Join(of, program), filepath.Join(folder, program)); err != nil {
				n.t.Fatal(err)
			}
			break
		}
	}
}

// path is where the scripts look for programs.
func (n *testNode) path() string { return n.stubs + ":" + filepath.Join(n.root, "tools") }

func (n *testNode) write(name, content string, mode os.FileMode) {
	n.t.Helper()
	target := filepath.Join(n.root, name)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(target, []byte(content), mode); err != nil {
		n.t.Fatal(err)
	}
}

func (n *testNode) read(name string) string {
	content, err := os.ReadFile(filepath.Join(n.root, name))
	if err != nil {
		return ""
	}
	return string(content)
}

func (n *testNode) exists(name string) bool {
	_, err := os.Stat(filepath.Join(n.root, name))
	return err == nil
}

func (n *testNode) calls() []string { return strings.Split(strings.TrimSpace(n.read("calls")), "\n") }

func (n *testNode) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(n.root, program), args...)
	cmd.Env = []string{
		"PATH=" + n.path(), "CAPOM_ROOT=" + n.root, "CAPOM_BACKOFF_MIN=0", "CAPOM_BACKOFF_MAX=0",
		"CAPOM_ADDRESS_WAIT=0", "CAPOM_VOLUME_WAIT=0", "CAPOM_VIP_INTERVAL=0.05", "CAPOM_VIP_AGAIN_INTERVAL=0.04", "CAPOM_GUARD_INTERVAL=0.05",
	}
	return cmd
}

// run runs one script to its end and returns its output.
func (n *testNode) run(script string, args ...string) (string, error) {
	out, err := n.command(filepath.Join(scriptsDir, script), args...).CombinedOutput()
	return string(out), err
}

// start runs a long-running script; it is stopped with the test, and output goes to the file
// "output".
func (n *testNode) start(program string, args ...string) *exec.Cmd {
	n.t.Helper()
	output, err := os.Create(filepath.Join(n.root, "output"))
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := n.command(program, args...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = output.Close()
		// Its children end by themselves, and may write into the folder until then.
		NewWithT(n.t).Eventually(func() error { return syscall.Kill(-cmd.Process.Pid, 0) }).
			WithTimeout(time.Minute).Should(MatchError(syscall.ESRCH))
	})
	return cmd
}

func TestScriptsFindNoProgramOfThisMachineThatIsNotListed(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.write("ask", `#!/bin/sh
for program in /usr/sbin/* /sbin/* /usr/bin/* /bin/*; do
	command -v "${program##*/}"
done
:`, 0o755)

	out, err := n.command("ask").CombinedOutput()

	g.Expect(err).NotTo(HaveOccurred(), string(out))
	for found := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(found, "/") {
			g.Expect(found).To(HavePrefix(n.root))
			g.Expect(slices.Concat(stubbed, tools)).To(ContainElement(filepath.Base(found)))
		}
	}
}

func TestScriptsAreCleanShell(t *testing.T) {
	scripts, err := filepath.Glob("node/bin/*.sh")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	scripts = append(scripts, "node/entry.sh", "node/lib/lib.sh",
		"agent/bin/capom-update.sh", "agent/bin/capom-grow.sh", "members/bin/capom-members.sh")

	t.Run("shellcheck", func(t *testing.T) {
		shellcheck := requireTool(t, "shellcheck", "shellcheck")
		out, err := exec.Command(shellcheck, append([]string{"-x", "-P", "SCRIPTDIR"}, scripts...)...).CombinedOutput()
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), string(out))
	})
	for _, script := range scripts {
		t.Run("as installed, "+script, func(t *testing.T) {
			g := NewWithT(t)
			content, err := nodeFiles.ReadFile(script)
			g.Expect(err).NotTo(HaveOccurred())
			cmd := exec.Command("sh", "-n")
			cmd.Stdin = strings.NewReader(string(stripComments(content)))
			out, err := cmd.CombinedOutput()
			g.Expect(err).NotTo(HaveOccurred(), string(out))
		})
	}
}
