// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package enter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// commands are the programs that the lab calls, with the Debian packages that bring them.
var commands = []struct{ name, packaged string }{
	{"systemd-nspawn", "systemd-container"}, {"ip", "iproute2"}, {"nft", "nftables"}, {"unshare", "util-linux"},
	{"nsenter", "util-linux"}, {"losetup", "mount"}, {"sysctl", "procps"}, {"debootstrap", "debootstrap"}, {"gcc", "gcc"},
}

// preflight tells everything that this machine lacks, so that nobody has to try
// again and again.
func preflight(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("the lab boots machines and makes networks: run it as root")
	}
	var missing []string
	for _, c := range commands {
		if _, err := exec.LookPath(c.name); err != nil {
			missing = append(missing, fmt.Sprintf("the command %s (Debian, Ubuntu: apt-get install %s)", c.name, c.packaged))
		}
	}
	if len(missing) == 0 {
		missing = kernelLacks(ctx)
	}
	if len(missing) > 0 {
		return errors.New("this machine cannot run the lab. It lacks:\n  " + strings.Join(missing, "\n  "))
	}
	return nil
}

// kernelLacks tries what the lab needs of the kernel in a namespace of its own.
func kernelLacks(ctx context.Context) []string {
	var missing []string
	for _, file := range []string{"/dev/net/tun", "/dev/loop-control", "/dev/kmsg"} {
		if _, err := os.Stat(file); err != nil {
			missing = append(missing, "the device "+file)
		}
	}
	filesystems, err := os.ReadFile("/proc/filesystems")
	if err != nil || !strings.Contains(string(filesystems), "\toverlay\n") {
		missing = append(missing, "overlay file systems (modprobe overlay)")
	}
	if _, err := os.Stat("/sys/fs/cgroup"); err != nil {
		missing = append(missing, "control groups below /sys/fs/cgroup")
	}
	for _, try := range []struct{ what, script string }{
		{"VXLAN interfaces (CONFIG_VXLAN)", "ip link add lab0 type vxlan id 1 dstport 8472 local 127.0.0.1"},
		{"veth pairs and bridges (CONFIG_VETH, CONFIG_BRIDGE)", "ip link add lab0 type bridge && ip link add lab1 type veth peer name lab2"},
		{"nftables with address translation (CONFIG_NF_TABLES, CONFIG_NFT_MASQ)",
			"echo 'table inet lab { chain c { type nat hook postrouting priority srcnat; masquerade; }; }' | nft -f -"},
	} {
		if err := exec.CommandContext(ctx, "unshare", "--net", "sh", "-c", try.script).Run(); err != nil {
			missing = append(missing, "the kernel's "+try.what)
		}
	}
	return missing
}
