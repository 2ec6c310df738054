// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
)

// diskSetup is Cluster API's cloud-config with a KubeadmConfig's diskSetup and mounts.
func diskSetup(device, mount string) string {
	return `
disk_setup:
  ` + device + `:
    table_type: gpt
    layout: true
    overwrite: false
fs_setup:
  - label: etcd_disk
    filesystem: ext4
    device: ` + device + `
mounts:
  - - LABEL=etcd_disk
    - ` + mount + `
`
}

func TestAVolumeThatTheBootstrapDataClaimsIsRefusedBeforeTheLaunch(t *testing.T) {
	cases := map[string]struct {
		data    string
		claimed string
	}{
		"nothing of disks":            {"", ""},
		"another disk":                {diskSetup("/dev/nvme0n1", "/var/lib/data"), ""},
		"the same disk":               {diskSetup("/dev/oracleoci/oraclevdb", "/var/lib/data"), "disk_setup"},
		"the kernel's name for it":    {diskSetup("/dev/sdb", "/var/lib/data"), "disk_setup"},
		"the same place":              {diskSetup("/dev/nvme0n1", "/var/lib/etcd"), "mounts"},
		"the same place, a slash on":  {"mounts: [[LABEL=x, /var/lib/etcd/]]\n", "mounts"},
		"a partition of it":           {"fs_setup: [{device: /dev/oracleoci/oraclevdb1, filesystem: xfs}]\n", "fs_setup"},
		"its partition by the kernel": {"mounts: [[sdb1, /srv]]\n", "mounts"},
		"a place below":               {"mounts: [[/dev/sdc, /var/lib/etcd/wal, auto, defaults]]\n", ""},
		"mounts switched off":         {"mounts: [[ephemeral0, null], [swap]]\n", ""},
		"no YAML":                     {"mounts: [\n", ""},
		"another type":                {"disk_setup: none\n", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := controlPlaneInput()
			in.DataVolumes = []DataVolume{{Device: "/dev/oracleoci/oraclevdb", FileSystem: "ext4", MountPath: "/var/lib/etcd"}}
			in.Bootstrap = []byte(bootstrapInit + tc.data)

			err := in.checkClaims()

			withJinja := in
			withJinja.Bootstrap = []byte(bootstrapInit + "hostname: {{ ds.meta_data.local_hostname }}.local\n" + tc.data)
			if tc.claimed != "" {
				g.Expect(withJinja.checkClaims()).To(Equal(err))
			} else {
				g.Expect(withJinja.checkClaims()).To(Succeed())
			}
			if tc.claimed == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			var refused *InvalidInputError
			g.Expect(errors.As(err, &refused)).To(BeTrue(), "%v", err)
			g.Expect(refused.Field).To(Equal("DataVolumes"))
			g.Expect(err.Error()).To(And(ContainSubstring(tc.claimed+" claims /dev/oracleoci/oraclevdb or its place /var/lib/etcd"), ContainSubstring("take it out of")))
			_, err = Render(in)
			g.Expect(errors.As(err, &refused)).To(BeTrue(), "%v", err)
		})
	}
	t.Run("without volumes disks are the user's", func(t *testing.T) {
		in := controlPlaneInput()
		in.Bootstrap = []byte(bootstrapInit + diskSetup("/dev/sdb", "/var/lib/etcd"))
		NewWithT(t).Expect(in.checkClaims()).To(Succeed())
	})
}
