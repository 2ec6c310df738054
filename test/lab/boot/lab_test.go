// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package boot_test

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	kubeadmcloudinit "sigs.k8s.io/cluster-api/bootstrap/kubeadm/pkg/cloudinit"

	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/enter"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
)

const (
	// booted is how long a machine may take to come up, alongside others.
	booted = 10 * time.Minute
	// soon is the time limit of any other expected event.
	soon = 3 * time.Minute
	// interval is how often machines are asked.
	interval = 500 * time.Millisecond

	nodeTag = "tag:capom-node"
	// uncachedTag has no part in the tailnet's policy: its devices keep no network map.
	uncachedTag = "tag:capom-uncached"
	// record is the file written by the stand-in for kubeadm, preflight what kubeadm's own checks
	// say.
	record    = "/var/log/kubeadm-stand-in"
	preflight = "/var/log/kubeadm-preflight"
	vip       = "10.250.0.1"
)

// clouds is shared by all tests: machines of one do not meet those of another, and tests with
// disconnections have an account of their own.
var clouds *world.World

// Accounts for tests to cut off from the coordination server.
const (
	alpha, bravo        = "alpha", "bravo"
	blockedAtFirst      = "charlie"
	blockedAtReboot     = "delta"
	blockedWithMap      = "echo"
	coordinationPort    = 443
	coordinationAddress = network.ManagementAddress
)

func TestMain(m *testing.M) {
	status, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func run(m *testing.M) (int, error) {
	flag.Parse()
	root, err := filepath.Abs("../../..")
	if err != nil {
		return 1, err
	}
	ctx := context.Background()
	dir := filepath.Join(root, "out", "lab-boot")
	programs, err := world.PrepareClouds(ctx, root, filepath.Join(dir, "programs"), os.Stderr)
	if err != nil {
		return 1, err
	}
	enter.Enter()
	// Tests wait most of the time.
	if err := flag.Set("test.parallel", "12"); err != nil {
		return 1, err
	}
	clouds, err = world.Start(ctx, world.Options{Dir: filepath.Join(dir, "world"), Programs: programs,
		Accounts: []string{alpha, bravo, blockedAtFirst, blockedAtReboot, blockedWithMap}, Progress: os.Stderr})
	if err != nil {
		return 1, err
	}
	status := m.Run()
	return status, clouds.Close()
}

// bench is one test's view of the lab.
type bench struct {
	*WithT
	t *testing.T
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{WithT: NewWithT(t), t: t}
	b.SetDefaultEventuallyPollingInterval(interval)
	b.SetDefaultConsistentlyPollingInterval(interval)
	return b
}

// input is a worker's, with tailscale and Kubernetes in the image.
func input(name string, bootstrap []byte) cloudinit.Input {
	return cloudinit.Input{
		Bootstrap: bootstrap, Hostname: name,
		Tailscale: cloudinit.Tailscale{Source: cloudinit.TailscaleImage},
		Endpoint:  cloudinit.Endpoint{Host: vip, VIP: true, VIPRange: netip.MustParsePrefix("10.250.0.0/16")},
		PodNetwork: cloudinit.PodNetwork{PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")},
			ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")}},
		VCNCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
	}
}

// standIn takes kubeadm's place in PATH for the join, has kubeadm check the machine, and records
// its surroundings. There is no cluster, so the checks end where it would be asked.
const standIn = `#!/bin/sh
[ "$1" = join ] || exec /usr/bin/kubeadm "$@"
/usr/bin/kubeadm join phase preflight --config /run/kubeadm/kubeadm-join-config.yaml >` + preflight + ` 2>&1
{
	echo "kubeadm $*"
	ip -4 -o addr show dev tailscale0
	cat /run/kubeadm/kubeadm-join-config.yaml
	mount
	ls -A /run/capom/join
} >>` + record + ` 2>&1
`

const joinConfiguration = `apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
nodeRegistration:
  name: '{{ ds.meta_data.local_hostname }}'
  ignorePreflightErrors: [SystemVerification, Mem, NumCPU, Swap]
timeouts:
  discovery: 1s
discovery:
  bootstrapToken:
    token: abcdef.0123456789abcdef
    apiServerEndpoint: ` + vip + `:6443
    unsafeSkipCAVerification: true
`

// workerData is Cluster API's bootstrap data for a worker, changed by change.
func workerData(change func(*kubeadmcloudinit.NodeInput)) []byte {
	in := &kubeadmcloudinit.NodeInput{JoinConfiguration: joinConfiguration}
	in.WriteFiles = []bootstrapv1.File{{Path: "/usr/local/bin/kubeadm", Owner: "root:root", Permissions: "0755", Content: standIn}}
	if change != nil {
		change(in)
	}
	data, err := kubeadmcloudinit.NewNode(in)
	if err != nil {
		panic("templates of Cluster API's own: " + err.Error())
	}
	return data
}

// files are drop-ins: one gives variables to all services of the machine, the other
// keeps kubelet from being restarted all the time when it has nothing to do.
func files(variables ...string) map[string]string {
	return map[string]string{
		"/etc/systemd/system.conf.d/lab.conf":               "[Manager]\nDefaultDeviceTimeoutSec=30s\nDefaultEnvironment=" + strings.Join(variables, " ") + "\n",
		"/etc/systemd/system/kubelet.service.d/00-lab.conf": "[Unit]\nConditionPathExists=/var/lib/kubelet/config.yaml\n",
	}
}

// boot boots a machine, and shows its console when the test fails.
func (b *bench) boot(o world.SoloOptions) *solo {
	b.t.Helper()
	s, err := clouds.BootSolo(b.t.Context(), o)
	b.Expect(err).NotTo(HaveOccurred())
	b.t.Cleanup(func() {
		if console, err := s.Console(); err == nil && b.t.Failed() {
			b.t.Logf("the last of %s's console (all: %s):\n%s", s.Name, s.Machine().Console(), console[max(0, len(console)-6000):])
		}
		s.Destroy()
	})
	return &solo{Solo: s, bench: b}
}

// solo is a machine in a test.
type solo struct {
	*world.Solo
	bench *bench
}

// asService has systemd run a command. Other commands of tests are in no control group of the
// machine's, and the guard keeps them from the metadata service.
const asService = "systemd-run --quiet --pipe --wait "

// sh runs a script in the machine; it must succeed.
func (s *solo) sh(script string) string {
	s.bench.t.Helper()
	out, err := s.Exec(s.bench.t.Context(), script)
	s.bench.Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(out)
}

// try runs a script in the machine and tells whether it succeeds.
func (s *solo) try(script string) bool {
	_, err := s.Exec(s.bench.t.Context(), script)
	return err == nil
}

// ask is sh for polling: a failure is an answer.
func (s *solo) ask(script string) func() string {
	return func() string {
		out, err := s.Exec(s.bench.t.Context(), script)
		if err != nil {
			return out + err.Error()
		}
		return strings.TrimSpace(out)
	}
}

// console waits until the console shows a text.
func (s *solo) console(timeout time.Duration, text string) {
	s.bench.t.Helper()
	s.consoleMatches(timeout, regexp.QuoteMeta(text))
}

// consoleMatches waits until the console matches an expression.
func (s *solo) consoleMatches(timeout time.Duration, expression string) {
	s.bench.t.Helper()
	pattern := regexp.MustCompile(expression)
	s.bench.Eventually(func() bool {
		text, err := s.Console()
		return err == nil && pattern.MatchString(text)
	}, timeout).Should(BeTrue(), "the console of %s shows %s", s.Name, expression)
}

// joined waits until kubeadm's stand-in has run and cloud-init is done.
func (s *solo) joined() {
	s.bench.t.Helper()
	s.bench.Eventually(func() bool { return s.kubeadmRan() }, booted).Should(BeTrue(), "kubeadm runs on %s", s.Name)
	s.bench.Eventually(s.ask("cloud-init status || true"), soon).Should(ContainSubstring("done"))
	s.bench.Expect(s.sh("cat " + preflight)).To(And(ContainSubstring("[preflight] Running pre-flight checks"), Not(ContainSubstring("[ERROR "))))
}

func (s *solo) kubeadmRan() bool { return s.try("test -s " + record) }

// address is the machine's on the tailnet.
func (s *solo) address() string { return s.sh("tailscale ip -4") }

// inNamespace runs a script in a network namespace of the lab.
func inNamespace(ctx context.Context, namespace, script string) (string, error) {
	out, err := exec.CommandContext(ctx, "nsenter", "--net="+network.Path(namespace), "sh", "-c", script).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// block drops an account's packets to the coordination server, or stops doing so.
func (b *bench) block(account string, blocked bool) {
	b.t.Helper()
	rules := "add table ip lab_block; delete table ip lab_block; "
	if blocked {
		rules += fmt.Sprintf("add table ip lab_block; add chain ip lab_block forward { type filter hook forward priority -1; }; "+
			"add rule ip lab_block forward ip daddr %s drop", coordinationAddress)
	}
	_, err := inNamespace(b.t.Context(), clouds.RouterNamespace(account), "nft '"+rules+"'")
	b.Expect(err).NotTo(HaveOccurred())
}
