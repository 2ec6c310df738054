// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package enter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// diskNeeded is for the disks of a world's machines, in bytes: two clusters took 3.5 GiB.
// On a full disk no write fails at first: nodes come up, and their pods do not.
const diskNeeded = 4 << 30

// commands are the lab's external programs, with their Debian packages.
var commands = []struct{ name, packaged string }{
	{"systemd-nspawn", "systemd-container"}, {"ip", "iproute2"}, {"nft", "nftables"}, {"conntrack", "conntrack"},
	{"unshare", "util-linux"}, {"nsenter", "util-linux"}, {"losetup", "mount"}, {"sysctl", "procps"},
	{"debootstrap", "debootstrap"}, {"dpkg-deb", "dpkg"}, {"gpg", "gpg"}, {"gcc", "gcc"},
	{"mkfs.ext4", "e2fsprogs"}, {"sfdisk", "fdisk"}, {"systemctl", "systemd"},
}

// trials test the lab's requirements of the kernel, with a command, in namespaces of their own.
var trials = []struct{ lacking, with, script string }{
	{"network namespaces (CONFIG_NET_NS; in a container: more privileges)", "unshare", "true"},
	{"TUN devices (modprobe tun; CONFIG_TUN)", "ip", "ip tuntap add dev lab0 mode tun"},
	{"VXLAN interfaces (modprobe vxlan; CONFIG_VXLAN)", "ip", "ip link add lab0 type vxlan id 1 dstport 8472 local 127.0.0.1"},
	{"bridges (modprobe bridge; CONFIG_BRIDGE)", "ip", "ip link add lab0 type bridge"},
	{"veth pairs (modprobe veth; CONFIG_VETH)", "ip", "ip link add lab0 type veth peer name lab1"},
	{"filtering of bridged packets, which nodes switch on (modprobe br_netfilter; CONFIG_BRIDGE_NETFILTER)", "sysctl",
		"sysctl -q -w net.bridge.bridge-nf-call-iptables=0"},
	{"nftables with address translation (CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT, CONFIG_NFT_MASQ)", "nft",
		"echo 'table inet lab { chain c { type nat hook postrouting priority srcnat; masquerade; }; }' | nft -f -"},
	{"connection tracking that can be listed (CONFIG_NF_CT_NETLINK)", "conntrack", "conntrack -L"},
}

// instances is how many sets of watched files a kernel allows root at least: a machine has a dozen,
// and two labs have a dozen machines. Linux' default is 128.
const instances = 1024

// raiseLimits raises what a kernel allows, where it is too little for labs side by side.
func raiseLimits() error {
	const file = "/proc/sys/fs/inotify/max_user_instances"
	var now int
	content, err := os.ReadFile(file)
	if err == nil {
		_, err = fmt.Sscan(string(content), &now)
	}
	if err == nil && now < instances {
		err = os.WriteFile(file, []byte(strconv.Itoa(instances)), 0o644)
	}
	if err != nil {
		return fmt.Errorf("raise %s to %d: %w", file, instances, err)
	}
	return nil
}

// Preflight reports all missing requirements of this machine at once, to save repeated attempts.
func Preflight(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("the lab boots machines and makes networks: run it as root")
	}
	missing := append(commandsMissing(exec.LookPath), kernelLacks(ctx)...)
	var disk syscall.Statfs_t
	if err := syscall.Statfs(".", &disk); err != nil {
		return fmt.Errorf("look how much of the disk is free: %w", err)
	}
	missing = append(missing, diskLacks(disk.Bavail*uint64(disk.Bsize))...)
	if len(missing) > 0 {
		return errors.New("this machine cannot run the lab. It lacks:\n  " + strings.Join(missing, "\n  "))
	}
	return nil
}

// commandsMissing lists the packages to install, given a function for looking up commands.
func commandsMissing(look func(string) (string, error)) []string {
	var missing []string
	for _, c := range commands {
		if _, err := look(c.name); err != nil {
			missing = append(missing, fmt.Sprintf("the command %s (Debian, Ubuntu: apt-get install %s)", c.name, c.packaged))
		}
	}
	return missing
}

// diskLacks says how much of the disk is free where it is too little, in bytes.
func diskLacks(free uint64) []string {
	if free >= diskNeeded {
		return nil
	}
	return []string{fmt.Sprintf("disk space: %d MiB are free, and machines need %d MiB (go clean -cache frees what Go built)", free>>20, diskNeeded>>20)}
}

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
	for _, try := range trials {
		// Without its command a trial would wrongly blame the kernel.
		if _, err := exec.LookPath(try.with); err != nil {
			continue
		}
		if err := exec.CommandContext(ctx, "unshare", "--net", "sh", "-c", try.script).Run(); err != nil {
			missing = append(missing, "the kernel's "+try.lacking)
		}
	}
	return missing
}
